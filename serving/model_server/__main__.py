"""`python -m serving.model_server`: the model server alone, with the flags of `sazon serve`."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from sazon.errors import SazonError
from sazon.logging import configure_logging
from serving.model_server.flags import parse_flags
from serving.model_server.server import serve


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serves until a signal."""
    configure_logging()
    try:
        serve(parse_flags(arguments, "serving.model_server"))
    except SazonError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
