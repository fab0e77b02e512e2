"""Logging: JSON lines in a file for machines, short lines on stderr for people.

Libraries log into the file only; the terminal shows what Sazón itself says.
"""

import contextlib
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LOGGER_NAME = "sazon"


def get_logger(part: str) -> logging.Logger:
    """The logger of a part of Sazón, such as `sazon.pipeline`."""
    return logging.getLogger(f"{LOGGER_NAME}.{part}")


def configure_logging(terminal_level: int = logging.INFO, *, timestamps: bool = False) -> None:
    """Sets up the process' logging to the terminal. Call once, from an entry point.

    Args:
        terminal_level: least level of Sazón's own messages on stderr.
        timestamps: whether each of them begins with the time in UTC (RFC 3339), as collectors of logs want it.
    """
    root = logging.getLogger()
    root.handlers.clear()
    root.setLevel(logging.INFO)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(terminal_level)
    formatter = logging.Formatter("%(asctime)s %(message)s" if timestamps else "%(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    terminal.setFormatter(formatter)
    terminal.addFilter(logging.Filter(LOGGER_NAME))
    root.addHandler(terminal)
    logging.getLogger(LOGGER_NAME).setLevel(logging.DEBUG)  # the file keeps what the terminal does not show
    logging.captureWarnings(True)


def log_to_file(path: Path) -> None:
    """Adds JSON lines in a file, rotated at 10 MB, for everything that this process and its libraries log."""
    from pythonjsonlogger.json import JsonFormatter

    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=10_000_000, backupCount=3, encoding="utf-8")
    handler.setFormatter(JsonFormatter("{asctime}{levelname}{name}{message}{process}", style="{"))
    logging.getLogger().addHandler(handler)


@contextlib.contextmanager
def library_prints_to(path: Path) -> Iterator[None]:
    """Sends what libraries print to a file while the block runs: stdout is for the command's own result."""
    sys.stdout.flush()
    kept = os.dup(1)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
