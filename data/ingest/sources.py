"""Files of every kind as chunks of text cells, each record numbered from 1."""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, cast

import polars as pl

from data.ingest.cells import as_cell, as_cells
from data.ingest.dialects import describe, read_header, sniff_dialect
from data.ingest.encodings import Examined, examine
from data.ingest.records import Broken, split_records
from sazon.errors import DataError

CHUNK_ROWS: Final = 50_000
STDIN: Final = "-"
ENDINGS: Final = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
_EXCEL_MARKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_PACKED_MARKS: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True)
class Rejected:
    """A record that could not be taken apart into cells."""

    row: int
    raw: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """Some records: text cells under the file's own column names, and their numbers."""

    frame: pl.DataFrame
    rows: pl.Series
    rejected: list[Rejected] = field(default_factory=list)


class Source:
    """One file, or what comes in on standard input."""

    def __init__(self, path: Path, wanted: list[str], stream: BinaryIO | None = None) -> None:
        """Opens and examines the file.

        Args:
            path: the file; `-` is standard input.
            wanted: names of columns that one hopes to find, as the file calls them.
            stream: its content, where that is open already.

        Raises:
            DataError: it is not there, is empty, or is of no known format.
        """
        self.place = "standard input" if str(path) == STDIN else path.name
        self._wanted = wanted
        self._stream = stream or _open(path)
        self.examined: Examined = examine(self._stream)
        self.format = self._find_format(path)
        self.details = ""
        self.names: list[str] = []

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return 0 if self._stream.closed else self._stream.tell()

    def chunks(self) -> Iterator[Chunk]:
        """The records in chunks of `CHUNK_ROWS`, the last one shorter.

        Raises:
            DataError: the content is not of the format.
        """
        readers = {
            "CSV": self._read_csv,
            "JSON lines": self._read_json_lines,
            "Parquet": self._read_parquet,
            "Excel": self._read_excel,
        }
        try:
            yield from readers[self.format]()
        except (ValueError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{self.place}: not readable as {self.format}: {reason}") from None

    def _find_format(self, path: Path) -> str:
        head = self.examined.head
        if not head:
            raise DataError(f"{self.place}: the file is empty")
        if head.startswith(b"PAR1"):
            return "Parquet"
        if head.startswith(_EXCEL_MARKS):
            return "Excel"
        if head.startswith(_PACKED_MARKS):
            raise DataError(f"{self.place}: is compressed (unpack it first)")
        ending = path.suffix.lower()
        if ending in (".parquet", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"):
            raise DataError(f"{self.place}: not readable as {ending.removeprefix('.')}: its content is of another kind")
        text = head.decode(self.examined.encoding.codec, "replace").lstrip("\ufeff \t\r\n")
        if "\0" in text:
            raise DataError(f"{self.place}: a binary file of no known format (want CSV, JSON lines, Parquet, Excel)")
        if text.startswith(("[{", "[\n", "[\r", "[ ")) and ending not in (".csv", ".tsv"):
            raise DataError(f"{self.place}: a JSON array (want JSON lines: one object a line)")
        return "JSON lines" if text.startswith("{") or ending in (".jsonl", ".ndjson") else "CSV"

    def _text(self) -> io.TextIOWrapper:
        encoding = self.examined.encoding
        return io.TextIOWrapper(self._stream, encoding.codec, encoding.errors, newline="")

    def _read_csv(self) -> Iterator[Chunk]:
        encoding = self.examined.encoding
        sample = self.examined.head.decode(encoding.codec, "replace")
        text = self._text()
        if sample[:4].lower() == "sep=":  # a line for Excel
            sample = sample[len(text.readline()) :]
        dialect = sniff_dialect(sample, self._wanted, is_whole=self.examined.size <= len(self.examined.head))
        self.details = describe(dialect)
        self.names = read_header(text, dialect, self._wanted, self.place)
        records = split_records(text, dialect, len(self.names))
        first = 1
        while (part := list(islice(records, CHUNK_ROWS))) or first == 1:  # a chunk even of none: its header is judged
            yield self._make_chunk(part, first)
            first += max(1, len(part))

    def _make_chunk(self, part: list[list[str] | Broken], first: int) -> Chunk:
        rejected = [
            Rejected(number, record.raw, record.reason)
            for number, record in enumerate(part, first)
            if isinstance(record, Broken)
        ]
        if rejected:
            whole = [(number, cells) for number, cells in enumerate(part, first) if isinstance(cells, list)]
            numbers, records = [number for number, _ in whole], [cells for _, cells in whole]
        else:
            numbers, records = list(range(first, first + len(part))), cast(list[list[str]], part)
        columns = zip(*records, strict=True) if records else [()] * len(self.names)
        frame = pl.DataFrame(
            [pl.Series(name, cells, dtype=pl.String) for name, cells in zip(self.names, columns, strict=True)]
        )
        return Chunk(frame, pl.Series("row", numbers, dtype=pl.Int64), rejected)

    def _read_json_lines(self) -> Iterator[Chunk]:
        lines = enumerate((line for line in self._text() if line.strip()), start=1)
        while part := list(islice(lines, CHUNK_ROWS)):
            yield self._parse_objects(part)

    def _parse_objects(self, part: list[tuple[int, str]]) -> Chunk:
        import orjson

        numbers, objects, rejected = [], [], []
        for number, line in part:
            try:
                found = orjson.loads(line)
                reason = "" if isinstance(found, dict) else "is not an object"
            except ValueError as error:
                found, reason = None, f"is not JSON: {error}"
            if reason:
                rejected.append(Rejected(number, line.rstrip("\r\n"), reason))
            else:
                numbers.append(number)
                objects.append(found)
        for name in {name: None for one in objects for name in one}:
            if name not in self.names:
                self.names.append(name)
        cells = {name: [as_cell(one.get(name)) for one in objects] for name in self.names}
        frame = pl.DataFrame(cells, schema=dict.fromkeys(self.names, pl.String))
        return Chunk(frame, pl.Series("row", numbers, dtype=pl.Int64), rejected)

    def _read_parquet(self) -> Iterator[Chunk]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(self._stream)
            self.names = list(file.schema_arrow.names)
            first = 1
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                batch.validate(full=True)
                table = cast(pl.DataFrame, pl.from_arrow(batch))
                yield _numbered(as_cells(table), first)
                first += table.height
            if first == 1:
                yield _numbered(pl.DataFrame(schema=dict.fromkeys(self.names, pl.String)), 1)
        except (pa.ArrowException, pl.exceptions.PolarsError) as error:
            raise ValueError(str(error)) from None

    def _read_excel(self) -> Iterator[Chunk]:
        import fastexcel

        try:
            book = fastexcel.read_excel(self._stream.read())
            sheet = book.load_sheet(0, dtypes="string")
            table = as_cells(sheet.to_polars()).with_columns(pl.all().str.strip_suffix(" 00:00:00"))  # a day
        except fastexcel.FastExcelError as error:
            raise ValueError(str(error)) from None
        self.names = table.columns
        others = f", {len(book.sheet_names) - 1} other sheets not read" if len(book.sheet_names) > 1 else ""
        self.details = f"sheet {book.sheet_names[0]}{others}"
        for start in range(0, max(1, table.height), CHUNK_ROWS):
            yield _numbered(table.slice(start, CHUNK_ROWS), start + 1)


def _numbered(frame: pl.DataFrame, first: int) -> Chunk:
    """Rows without any cell, as spreadsheets have them below their table, are none."""
    rows = pl.Series("row", range(first, first + frame.height), dtype=pl.Int64)
    if not frame.width:
        return Chunk(frame, rows)
    filled = frame.select(pl.any_horizontal(pl.all() != "")).to_series()
    return Chunk(frame.filter(filled), rows.filter(filled))


def _open(path: Path) -> BinaryIO:
    """A file that can be read twice; standard input is kept where no kill can leave it behind: in a nameless file."""
    if str(path) == STDIN:
        spool = tempfile.TemporaryFile()  # noqa: SIM115 closed by the source
        shutil.copyfileobj(sys.stdin.buffer, spool)
        return cast(BinaryIO, spool)
    if not path.is_file():
        raise DataError(f"{path}: {'a folder, name a file in it' if path.is_dir() else 'no such file'}")
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
