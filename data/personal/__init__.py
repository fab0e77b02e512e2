"""Personal data in comments: found, replaced by typed placeholders, counted, never kept."""

from data.personal.kinds import Kind
from data.personal.redaction import Redacted, redact, redact_all

__all__ = ["Kind", "Redacted", "redact", "redact_all"]
