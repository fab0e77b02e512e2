"""From the columns and values of somebody's file to those of the contract."""

from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError
from yaml import YAMLError, safe_load

from data.ingest.dialects import fold
from data.ingest.kinds import Kind
from sazon.errors import DataError, UserError


class Mapping(BaseModel):
    """What a `--columns` file says.

    Attributes:
        columns: the contract's name to the file's.
        values: by the contract's name of a column, the file's value to the contract's.
        constants: the contract's name to the value of every row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    constants: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path, kind: Kind) -> "Mapping":
        """Reads the YAML file.

        Raises:
            UserError: it cannot be read, or names a column that the contract does not have.
        """
        try:
            mapping = cls.model_validate(safe_load(path.read_text(encoding="utf-8")) or {})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise UserError(f"{path}, {place}: {first['msg']} (want columns, values, constants)") from None
        except OSError as error:
            raise UserError(f"{path}: {(error.strerror or 'not readable').lower()}") from None
        except (YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: not readable as YAML: {' '.join(str(error).split())[:200]}") from None
        for name in [*mapping.columns, *mapping.values, *mapping.constants]:
            if name not in kind.columns:
                raise UserError(f"{path}: {name} is no column of the contract (want {', '.join(kind.columns)})")
        return mapping

    def wanted(self, kind: Kind) -> list[str]:
        """Names that the file is expected to have."""
        return [self.columns.get(name, name) for name in kind.columns]

    def bind(self, names: list[str], kind: Kind, place: str) -> "Bound":
        """Finds the columns in a file.

        Raises:
            DataError: a required one is missing, or one is there twice.
        """
        by_name: dict[str, str] = {}
        for name in names:
            if fold(name) in by_name and fold(name) in map(fold, self.wanted(kind)):
                raise DataError(f"{place}: column {name} is there twice")
            by_name[fold(name)] = name
        found = {
            name: by_name[fold(self.columns.get(name, name))]
            for name in kind.columns
            if name not in self.constants and fold(self.columns.get(name, name)) in by_name
        }
        given = {*found, *self.constants, *kind.may_lack}
        missing = [self.columns.get(name, name) for name in kind.required if name not in given]
        if missing:
            shown = ", ".join(name.strip() for name in names[:12])
            raise DataError(f"{place}: missing column {', '.join(missing)} (found: {shown}; --columns maps others)")
        ignored = [name for name in names if name not in found.values() and not name.startswith("#")]
        return Bound(self, kind, found, ignored)


class Bound:
    """A mapping applied to one file."""

    def __init__(self, mapping: Mapping, kind: Kind, found: dict[str, str], ignored: list[str]) -> None:
        self._mapping, self._kind, self._found, self.ignored = mapping, kind, found, ignored

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Text cells under the contract's names; what the file lacks is ""."""
        return frame.select([self._cell(name, frame).alias(name) for name in self._kind.columns])

    def _cell(self, name: str, frame: pl.DataFrame) -> pl.Expr:
        if name in self._mapping.constants:
            return pl.lit(self._mapping.constants[name])
        source = self._found.get(name)
        if source is None or source not in frame.columns:
            return pl.lit("")
        cell = pl.col(source).fill_null("").str.strip_chars()
        values = self._mapping.values.get(name)
        return cell.replace(values) if values else cell
