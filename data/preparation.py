"""From a feedback file to a dataset on disk: validated, split, deduplicated, named by its digest and its layout."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from data.context import context_of
from data.splitting import assign_splits, has_splits, keep_together
from data.validation import read_feedback
from data.versions import digest_of
from sazon.errors import DataError
from sazon.home import atomic_directory
from sazon.logging import get_logger
from sazon.schema import SPLITS
from sazon.settings import SplitSettings
from sazon.text import normalise_for_grouping

_VERSION = 2  # raise it when the layout below changes, so that old datasets are made anew
_SUMMARY = "summary.json"
_UNKNOWN = "unknown"  # ExampleGen writes an empty cell as a missing one
MIN_LABELLED_TRAIN = 60
MIN_LABELLED_OTHER = 15
_LOG = get_logger("data")


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset: `<folder>/<split>/part.parquet`, never changed once it is there.

    Attributes:
        folder: named by the file's bytes and by how they were laid out.
        digest: SHA-256 of the file's bytes, as `data.versions` keeps them.
        source: the file's name.
        rows: by split.
        labelled: rows with a sentiment, by split.
        duplicates_dropped: rows that say what an earlier one says.
        moved: rows whose own `split` had their text on two sides.
        majority_share: of the test rows, how many have the commonest sentiment of the training rows, 0–1.
    """

    folder: str
    digest: str
    source: str
    rows: dict[str, int]
    labelled: dict[str, int]
    duplicates_dropped: int
    moved: int
    majority_share: float

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    @property
    def name(self) -> str:
        """Equal for equal bytes that were laid out alike."""
        return self.path.name

    def parquet(self, split: str) -> Path:
        """The rows of a split."""
        return self.path / split / "part.parquet"


def prepare_dataset(source: Path, datasets: Path, split: SplitSettings, *, context: bool = False) -> Dataset:
    """Validates a file and lays it out for the pipeline, or reuses what an earlier call made of the same bytes.

    Args:
        source: a CSV, JSON-lines or Parquet file that follows the contract.
        datasets: where datasets live.
        split: shares for a file without a `split` column. One that has it is taken at its word, but for texts that
            it has on two sides (`data.splitting`).
        context: whether rows carry what was known of their product and region, as `data.context` computes it.

    Raises:
        DataError: the file breaks the contract, or holds too few labelled rows to train on.
    """
    if not source.is_file():
        raise DataError(f"{source}: {'a folder, name a file in it' if source.is_dir() else 'no such file'}")
    digest = digest_of(source)
    target = datasets / f"{digest[:16]}-{_layout(source, split, context)}"
    if not target.exists():
        feedback = read_feedback(source)
        feedback, moved = _keep_texts_together(feedback)
        unique, dropped = _drop_duplicates(feedback)
        unique = unique.assign(split=assign_splits(unique, split.eval_share, split.test_share))
        if context:
            unique = unique.join(context_of(unique))
        summary = _summarise(unique, Dataset("", digest, source.name, {}, {}, dropped, moved, 0.0))
        if digest_of(source) != digest:
            raise DataError(f"{source}: changed while it was read; start again")
        with atomic_directory(target) as staging:
            for name in SPLITS:
                _write_split(unique[unique["split"] == name], staging / name)
            (staging / _SUMMARY).write_text(json.dumps(summary, ensure_ascii=False, indent=2), encoding="utf-8")
    dataset = load_dataset(target)
    if dataset.moved:
        _LOG.info("%s: %d rows moved to the split where their text is held out", source.name, dataset.moved)
    return replace(dataset, source=source.name)


def load_dataset(folder: Path) -> Dataset:
    """Reads the summary of a prepared dataset."""
    summary = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
    return Dataset(folder=str(folder), **summary)


def _layout(source: Path, split: SplitSettings, context: bool) -> str:
    """All but the bytes that decides what the dataset holds."""
    layout = [_VERSION, source.suffix.lower(), split.model_dump(), context]
    return hashlib.sha256(json.dumps(layout).encode()).hexdigest()[:8]


def _keep_texts_together(feedback: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Before duplicates are dropped: of a text that is held out, a training row must not be the one that stays."""
    if not has_splits(feedback):
        return feedback, 0
    sides = keep_together(feedback)
    return feedback.assign(split=sides), int((feedback["split"] != sides).sum())


def _drop_duplicates(feedback: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Keeps the first row of each text written by people twice about the same thing."""
    key = feedback["text"].map(normalise_for_grouping) + "\0" + feedback["product"] + "\0" + feedback["region"]
    unique = feedback[~key.duplicated()]
    return unique, len(feedback) - len(unique)


def _summarise(feedback: pd.DataFrame, dataset: Dataset) -> dict[str, object]:
    rows = {name: int((feedback["split"] == name).sum()) for name in SPLITS}
    has_label = feedback["sentiment"] != ""
    labelled = {name: int(((feedback["split"] == name) & has_label).sum()) for name in SPLITS}
    for name, least in zip(SPLITS, (MIN_LABELLED_TRAIN, MIN_LABELLED_OTHER, MIN_LABELLED_OTHER), strict=True):
        if labelled[name] < least:
            raise DataError(
                f"{dataset.source}: {labelled[name]} rows with a sentiment fall into the {name} split; "
                f"at least {least} are needed (label more rows, or change the shares of the split)"
            )
    train = feedback.loc[(feedback["split"] == "train") & has_label, "sentiment"]
    if train.nunique() < 2:
        raise DataError(f"{dataset.source}: all labelled training rows are {train.iloc[0]}; two sentiments are needed")
    test = feedback.loc[(feedback["split"] == "test") & has_label, "sentiment"]
    majority_share = float((test == train.mode()[0]).mean())
    summary = replace(dataset, rows=rows, labelled=labelled, majority_share=majority_share)
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
