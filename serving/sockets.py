"""Addresses that servers listen on."""

import socket

from sazon.errors import ServingError


def bind(host: str, port: int, server: str) -> socket.socket:
    """A socket on that address; not listening yet. `server` is what the error calls whoever wanted it.

    Raises:
        ServingError: the address cannot be had.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ServingError(f"{server} cannot listen on {host}:{port}: {error.strerror}; choose another port") from None
    return bound
