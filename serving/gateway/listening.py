"""What both ways of running the gateway share."""

import sys
from typing import Final

GRACE_S: Final = 10.0
"""For requests in flight, after SIGTERM."""

SPARE_THREADS: Final = 4
"""Beyond those that predict: for health and metrics, which must be quick when all others are taken."""

_SWITCH_S: Final = 0.001


def favour_the_loop() -> None:
    """Threads give way to each other five times as often as by default.

    The one that reads and refuses needs the interpreter for a moment only, and would wait for each busy one in turn.
    """
    sys.setswitchinterval(_SWITCH_S)
