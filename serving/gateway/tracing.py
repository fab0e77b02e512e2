"""One name per request, for logs, exemplars and whoever asks about an answer."""

import re
from typing import Final
from uuid import uuid4

TRACE_HEADER: Final = "X-Trace-Id"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


def read_trace_id(traceparent: str | None) -> str:
    """The trace id of the header `traceparent`, or a new one.

    >>> read_trace_id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'

    Source: W3C Trace Context, section 3.2.
    """
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else uuid4().hex
