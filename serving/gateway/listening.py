"""What both ways of running the gateway share."""

from typing import Final

GRACE_S: Final = 10.0
"""For requests in flight, after SIGTERM."""

SPARE_THREADS: Final = 4
"""Beyond those that predict: for refusals, health and metrics, which must be quick when all others are taken."""
