"""From a feedback file to a dataset on disk: validated, split, deduplicated, named by its digest."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from data.context import context_of
from data.splitting import assign_splits
from data.validation import read_feedback
from sazon.errors import DataError
from sazon.home import atomic_directory
from sazon.schema import SPLITS
from sazon.settings import SplitSettings
from sazon.text import normalise_for_grouping

_VERSION = 1  # raise it when the layout below changes, so that old datasets are made anew
_SUMMARY = "summary.json"
_UNKNOWN = "unknown"  # ExampleGen writes an empty cell as a missing one
MIN_LABELLED_TRAIN = 60
MIN_LABELLED_OTHER = 15


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset: `<folder>/<split>/part.parquet`, never changed once it is there."""

    folder: str
    digest: str
    source: str
    rows: dict[str, int]
    labelled: dict[str, int]
    duplicates_dropped: int
    majority_share: float

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    def parquet(self, split: str) -> Path:
        """The rows of a split."""
        return self.path / split / "part.parquet"


def prepare_dataset(source: Path, datasets: Path, split: SplitSettings, *, context: bool = False) -> Dataset:
    """Validates a file and lays it out for the pipeline, or reuses what an earlier call made of the same bytes.

    Args:
        source: a CSV, JSON-lines or Parquet file that follows the contract.
        datasets: where datasets live.
        split: shares for a file without a `split` column.
        context: whether rows carry what was known of their product and region, as `data.context` computes it.

    Raises:
        DataError: the file breaks the contract, or holds too few labelled rows to train on.
    """
    if not source.is_file():
        raise DataError(f"{source}: no such file")
    digest = _digest(source, split, context)
    target = datasets / digest
    if not target.exists():
        feedback = read_feedback(source)
        unique, dropped = _drop_duplicates(feedback)
        unique = unique.assign(split=assign_splits(unique, split.eval_share, split.test_share))
        if context:
            unique = unique.join(context_of(unique))
        summary = _summarise(unique, source, digest, dropped)
        with atomic_directory(target) as staging:
            for name in SPLITS:
                _write_split(unique[unique["split"] == name], staging / name)
            (staging / _SUMMARY).write_text(json.dumps(summary, ensure_ascii=False, indent=2), encoding="utf-8")
    return load_dataset(target)


def load_dataset(folder: Path) -> Dataset:
    """Reads the summary of a prepared dataset."""
    summary = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
    return Dataset(folder=str(folder), **summary)


def _digest(source: Path, split: SplitSettings, context: bool) -> str:
    content = hashlib.sha256(source.read_bytes())
    layout = [_VERSION, source.suffix.lower(), split.model_dump(), *(["context"] if context else [])]
    content.update(json.dumps(layout).encode())
    return content.hexdigest()[:16]


def _drop_duplicates(feedback: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Keeps the first row of each text written by people twice about the same thing."""
    key = feedback["text"].map(normalise_for_grouping) + "\0" + feedback["product"] + "\0" + feedback["region"]
    unique = feedback[~key.duplicated()]
    return unique, len(feedback) - len(unique)


def _summarise(feedback: pd.DataFrame, source: Path, digest: str, dropped: int) -> dict[str, object]:
    rows = {name: int((feedback["split"] == name).sum()) for name in SPLITS}
    has_label = feedback["sentiment"] != ""
    labelled = {name: int(((feedback["split"] == name) & has_label).sum()) for name in SPLITS}
    for name, least in zip(SPLITS, (MIN_LABELLED_TRAIN, MIN_LABELLED_OTHER, MIN_LABELLED_OTHER), strict=True):
        if labelled[name] < least:
            raise DataError(
                f"{source.name}: {labelled[name]} rows with a sentiment fall into the {name} split; "
                f"at least {least} are needed (label more rows, or change the shares of the split)"
            )
    train = feedback.loc[(feedback["split"] == "train") & has_label, "sentiment"]
    if train.nunique() < 2:
        raise DataError(f"{source.name}: all labelled training rows are {train.iloc[0]}; two sentiments are needed")
    test = feedback.loc[(feedback["split"] == "test") & has_label, "sentiment"]
    summary = Dataset("", digest, source.name, rows, labelled, dropped, float((test == train.mode()[0]).mean()))
    return {key: value for key, value in asdict(summary).items() if key != "folder"}


def _write_split(rows: pd.DataFrame, folder: Path) -> None:
    folder.mkdir()
    out = rows.drop(columns="split").copy()
    for column in ("source", "family"):
        out[column] = out[column].replace("", _UNKNOWN) if column in out else _UNKNOWN
    out["created_at"] = out["created_at"].map(lambda at: at.isoformat())
    out["tastes_labelled"] = out["tastes"].map(lambda labels: int(labels is not None))
    out["tastes"] = out["tastes"].map(lambda labels: list(labels or ()))
    out["sentiment"] = out["sentiment"].replace("", None)
    out.to_parquet(folder / "part.parquet", index=False)
