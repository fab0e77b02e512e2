"""What an ingest says it did."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PARTS: Final = ("accepted", "duplicates", "quarantined", "rejected")
"""Every row is in exactly one of them."""
COUNTS: Final = ("rows", *PARTS, "near_duplicates", "repaired")


@dataclass
class Report:
    """Figures of one file.

    Attributes:
        source: the file's name.
        counts: by the names in `COUNTS`.
        redacted: replacements by kind of personal data.
        batch: digest of the batch; None where nothing was committed.
        format, encoding, details: how the file was read.
        ignored: columns that are not the contract's.
        quarantine: file of the bad rows; None where there are none.
        known: whether the very same file had been ingested before.
        error: why the file was refused; "" where it was not.
    """

    source: str
    counts: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    batch: str | None = None
    format: str = ""
    encoding: str = ""
    details: str = ""
    ignored: list[str] = field(default_factory=list)
    quarantine: Path | None = None
    known: bool = False
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        if self.error:
            return {"source": self.source, "error": self.error}
        return {
            "source": self.source,
            **{name: self.counts[name] for name in COUNTS},
            "redacted": dict(self.redacted),
            "format": self.format,
            "encoding": self.encoding,
            "details": self.details,
            "ignored_columns": self.ignored,
            "quarantine": str(self.quarantine) if self.quarantine else None,
            "batch": self.batch,
            "known": self.known,
        }

    def describe(self) -> str:
        """For people."""
        counts = self.counts
        read = ", ".join(part for part in (self.format, self.encoding, self.details) if part)
        near = f" ({counts['near_duplicates']:,} near duplicates among them)" if counts["near_duplicates"] else ""
        known = "; ingested before, nothing added" if self.known else ""
        lines = [
            f"{self.source}: {counts['rows']:,} rows ({read}){known}",
            f"  {counts['accepted']:,} accepted{near}, {counts['duplicates']:,} duplicates, "
            f"{counts['quarantined']:,} quarantined, {counts['rejected']:,} rejected",
        ]
        if counts["repaired"]:
            lines.append(f"  {counts['repaired']:,} cells repaired")
        if self.redacted:
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.redacted.items()))
            lines.append(f"  personal data replaced: {kinds}")
        if self.ignored:
            lines.append(f"  columns ignored: {', '.join(self.ignored)}")
        if self.quarantine:
            lines.append(f"  bad rows: {self.quarantine} (mend them there, then: sazon ingest --replay)")
        return "\n".join(lines)
