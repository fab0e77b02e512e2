"""Ctrl-C that waits for a good moment."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interruptions_noted() -> Iterator[Callable[[], bool]]:
    """While the block runs, Ctrl-C and SIGTERM only note that they came; a second one acts as ever.

    Yields:
        Whether one came.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield came.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        came.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
