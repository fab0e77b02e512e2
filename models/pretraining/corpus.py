"""Unlabelled texts, streamed from files of any size."""

import csv
import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from sazon.errors import UserError

TEXT_COLUMN: Final = "text"
SPLIT_COLUMN: Final = "split"
_TRAINING_SPLITS: Final = ("train", "", None)
_BATCH_TEXTS: Final = 4096
_CHUNK_BYTES: Final = 1 << 20
_GZIP: Final = ".gz"


def read_texts(files: Sequence[Path]) -> Iterator[list[str]]:
    """Streams the texts of all files, stripped, without the empty ones.

    Rows that a column `split` keeps for eval or test are left out: no model shall know the texts it is measured on.

    Args:
        files: plain text (one text a line), or CSV, JSON lines or Parquet with a column `text`; all but Parquet may
            be gzipped.

    Yields:
        A few thousand texts at a time.

    Raises:
        UserError: a file is missing, of an unknown kind, damaged, or without a column `text`.
    """
    batch: list[str] = []
    for path in files:
        for text in _texts_of(path):
            if stripped := text.strip():
                batch.append(stripped)
            if len(batch) == _BATCH_TEXTS:
                yield batch
                batch = []
    if batch:
        yield batch


def corpus_digest(files: Sequence[Path]) -> str:
    """16 hexadecimal digits that stand for the content of the files, in their order.

    Raises:
        UserError: a file is missing or of an unknown kind.
    """
    digest = hashlib.sha256()
    for path in files:
        _reader(path)
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
        digest.update(f"\0{path.stat().st_size}".encode())
    return digest.hexdigest()[:16]


def _texts_of(path: Path) -> Iterator[str]:
    reader = _reader(path)
    try:
        yield from reader(path)
    except KeyError:
        raise UserError(f'{path}: has no column "{TEXT_COLUMN}"') from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 (byte {error.start}); a binary file, or another encoding") from None
    except (ValueError, OSError, EOFError, csv.Error, zlib.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: damaged, or not of the kind that its ending says: {reason}") from None


def _reader(path: Path) -> Callable[[Path], Iterator[str]]:
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, name the files in it' if path.is_dir() else 'no such file'}")
    name = path.name.lower().removesuffix(_GZIP)
    reader = _READERS.get(name[name.rfind(".") :] if "." in name else "")
    if reader is None:
        raise UserError(f"{path}: its ending is unknown (want {', '.join(_READERS)}, or those with {_GZIP} behind)")
    return reader


def _open(path: Path) -> TextIO:
    opener = gzip.open if path.suffix.lower() == _GZIP else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")  # type: ignore[operator, no-any-return]


def _read_lines(path: Path) -> Iterator[str]:
    with _open(path) as stream:
        yield from stream


def _read_csv(path: Path) -> Iterator[str]:
    csv.field_size_limit(sys.maxsize)
    with _open(path) as stream:
        for row in csv.DictReader(stream):
            if row.get(SPLIT_COLUMN) in _TRAINING_SPLITS:
                yield row[TEXT_COLUMN] or ""


def _read_json_lines(path: Path) -> Iterator[str]:
    with _open(path) as stream:
        for line in filter(str.strip, stream):
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"a line is no object: {line[:40]}")
            if record.get(SPLIT_COLUMN) not in _TRAINING_SPLITS:
                continue
            # JSON can spell half a character, which is no text.
            yield str(record[TEXT_COLUMN] or "").encode(errors="replace").decode()


def _read_parquet(path: Path) -> Iterator[str]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        if TEXT_COLUMN not in file.schema_arrow.names:
            raise KeyError(TEXT_COLUMN)
        columns = [name for name in (TEXT_COLUMN, SPLIT_COLUMN) if name in file.schema_arrow.names]
        for batch in file.iter_batches(_BATCH_TEXTS, columns=columns):
            for row in batch.to_pylist():
                if row.get(SPLIT_COLUMN) in _TRAINING_SPLITS:
                    yield row[TEXT_COLUMN] or ""


_READERS: Final[dict[str, Callable[[Path], Iterator[str]]]] = {
    ".txt": _read_lines,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
