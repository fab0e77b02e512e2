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
        if self._returned:
            line = self._returned.popleft()
        else:
            line = self._stream.readline(_MAX_LINE_CHARS)
            if len(line) == _MAX_LINE_CHARS and line[-1] not in "\r\n":
                self.current.append(line)
                self._skip_line()
                raise _Unclosed(f"has a line of more than {_MAX_LINE_CHARS:,} characters")
        if line:
            self.current.append(line)
            return line
        if self.current:
            raise _Unclosed("a quote is not closed")
        raise StopIteration

    def _skip_line(self) -> None:
        while (rest := self._stream.readline(_MAX_LINE_CHARS)) and rest[-1] not in "\r\n":
            pass

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
        if len(cells) == width and len(lines.current) == 1:
            if any(map(str.strip, cells)):
                yield cells
        elif len(lines.current) > 1 and _swallowed_a_record(lines.current, dialect, width):
            reader = csv.reader(lines, dialect)
            yield Broken(lines.give_back_all_but_first(), "a quote is not closed")
        elif any(map(str.strip, cells)):
            is_whole = len(cells) == width or (len(cells) > width and not any(cells[width:]))  # trailing separators
            raw = "".join(lines.current)
            yield cells[:width] if is_whole else Broken(raw, f"has {len(cells)} cells (want {width})")


def _swallowed_a_record(lines: list[str], dialect: type[csv.Dialect], width: int) -> bool:
    """Whether a quote that is not closed joined several records: a later line is one by itself.

    Lines that are punctuated without fault are not second-guessed.
    """
    try:
        if len(next(csv.reader(lines, dialect, strict=True))) == width:
            return False
    except csv.Error:
        pass
    return any(len(next(csv.reader([line], dialect), [])) == width for line in lines[1:])
