"""CSV text into records, and back on its feet after a record that is broken."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TextIO

_MAX_LINES: Final = 1000
"""More lines in one record mean a quote that nobody closed."""
_MAX_LINE_CHARS: Final = 1 << 17


@dataclass(frozen=True)
class Broken:
    """Text that is no record."""

    raw: str
    reason: str


class _Unclosed(Exception):
    pass


class _Lines(Iterator[str]):
    """Feeds a `csv.reader`, remembers the lines of the record under way and takes lines back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._returned = stream, deque[str]()
        self.current: list[str] = []

    def __next__(self) -> str:
        if len(self.current) >= _MAX_LINES:
            raise _Unclosed(f"a quote is not closed within {_MAX_LINES:,} lines")
        line = self._returned.popleft() if self._returned else self._stream.readline(_MAX_LINE_CHARS)
        if line:
            self.current.append(line)
            return line
        if self.current:
            raise _Unclosed("a quote is not closed")
        raise StopIteration

    def give_back_all_but_first(self) -> str:
        first, *rest = self.current
        self._returned.extendleft(reversed(rest))
        self.current = []
        return first


def split_records(stream: TextIO, dialect: type[csv.Dialect], width: int) -> Iterator[list[str] | Broken]:
    """Splits text into records of `width` cells; blank ones are left out.

    A quote that is never closed costs the line on which it was opened, not the rest of the file.

    Args:
        stream: opened with newline="", behind the header.
        dialect: of the CSV.
        width: cells of a record.
    """
    lines = _Lines(stream)
    reader = csv.reader(lines, dialect)
    while True:
        lines.current = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (_Unclosed, csv.Error) as error:
            reader = csv.reader(lines, dialect)
            yield Broken(lines.give_back_all_but_first(), str(error))
            continue
        if len(cells) != width:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > width and not any(cells[width:]):  # trailing separators
                yield cells[:width]
                continue
            if _swallowed_a_record(lines.current, dialect, width):
                reader = csv.reader(lines, dialect)
                yield Broken(lines.give_back_all_but_first(), "a quote is not closed")
            else:
                yield Broken("".join(lines.current), f"has {len(cells)} cells (want {width})")
        elif any(cells) and any(cell.strip() for cell in cells):
            yield cells


def _swallowed_a_record(lines: list[str], dialect: type[csv.Dialect], width: int) -> bool:
    """Whether a later line of a ragged record is a whole record by itself: its first line then lacks a quote."""
    return any(len(next(csv.reader([line], dialect), [])) == width for line in lines[1:])
