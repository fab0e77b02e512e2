"""Reading of feedback files: CSV, JSON lines or Parquet into one table of text cells."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from sazon.errors import DataError
from sazon.schema import TASTE_SEPARATOR

_FORMATS = {".csv": "CSV", ".jsonl": "JSON lines", ".ndjson": "JSON lines", ".parquet": "Parquet"}


def read_cells(path: Path) -> pd.DataFrame:
    """Reads a file without judging its rows.

    Returns:
        One row a record, every cell a stripped str, absent values "". Row 1 is the first record.

    Raises:
        DataError: no such file, an unknown ending, an empty file, or content that is not of the format.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise DataError(f'{path}: ending "{path.suffix}" is unknown (want .csv, .jsonl or .parquet)')
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty")
    try:
        table = {"CSV": _read_csv, "JSON lines": _read_json_lines, "Parquet": _read_parquet}[form](path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8 (byte {error.start}); a binary file, or another encoding") from None
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not readable as {form}: {reason}") from None
    if table.empty:
        raise DataError(f"{path}: holds no row")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open("rb") as stream:
        if b"\0" in stream.read(65_536):
            raise DataError(f"{path}: a binary file, not CSV")
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    return _strip(table)


def _read_json_lines(path: Path) -> pd.DataFrame:
    records = []
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError(f"line {number} is not an object")
                records.append(record)
    return _strip(pd.DataFrame.from_records(records).map(_as_cell))


def _read_parquet(path: Path) -> pd.DataFrame:
    return _strip(pd.read_parquet(path).map(_as_cell))


def _as_cell(value: Any) -> str:
    """One cell as text; lists of labels are joined as in a CSV."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | set) or (hasattr(value, "tolist") and not pd.api.types.is_scalar(value)):
        return TASTE_SEPARATOR.join(str(part) for part in value)
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return str(value)


def _strip(table: pd.DataFrame) -> pd.DataFrame:
    stripped = table.apply(lambda column: column.str.strip())
    stripped.columns = [str(name).strip() for name in table.columns]
    return stripped.reset_index(drop=True)
