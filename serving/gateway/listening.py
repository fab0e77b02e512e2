"""What both ways of running the gateway share."""

import socket
from typing import Final

from sazon.errors import ServingError

GRACE_S: Final = 10.0
"""For requests in flight, after SIGTERM."""

SPARE_THREADS: Final = 4
"""Beyond those that predict: for refusals, health and metrics, which must be quick when all others are taken."""


def bind(host: str, port: int) -> socket.socket:
    """A socket on that address; not listening yet.

    Raises:
        ServingError: the address cannot be had.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ServingError(f"the gateway cannot listen on {host}:{port}: {error.strerror}; choose another") from None
    return bound
