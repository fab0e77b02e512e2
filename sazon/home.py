"""Where Sazón keeps its state: every path under `$SAZON_HOME`, named once.

Making a `Home` makes no directory; whoever writes makes the directory first.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sazon.errors import UserError


@dataclass(frozen=True)
class Home:
    """The state directory. Deleting it resets everything."""

    root: Path

    @property
    def datasets(self) -> Path:
        """Validated, split Parquet, one folder per data digest."""
        return self.root / "datasets"

    @property
    def versions(self) -> Path:
        """The bytes that models were trained on, a DVC repository (`data.versions`)."""
        return self.root / "versions"

    @property
    def tfx(self) -> Path:
        """Artifacts of the pipeline's components."""
        return self.root / "tfx"

    @property
    def tokenisers(self) -> Path:
        """Vocabularies learnt from training splits, in transformers format."""
        return self.root / "tokenisers"

    @property
    def trainings(self) -> Path:
        """Tokenised rows and state of trainings that are under way."""
        return self.root / "trainings"

    @property
    def pretrained(self) -> Path:
        """Checkpoints that domain pretraining made."""
        return self.root / "pretrained"

    @property
    def metadata_db(self) -> Path:
        """ML Metadata (SQLite): lineage and the cache of pipeline steps."""
        return self.root / "tfx" / "metadata.sqlite"

    @property
    def mlflow_db(self) -> Path:
        """MLflow's tracking and registry store (SQLite)."""
        return self.root / "mlflow" / "mlflow.sqlite"

    @property
    def mlflow_artifacts(self) -> Path:
        """Artifacts of MLflow runs and models."""
        return self.root / "mlflow" / "artifacts"

    @property
    def feedback(self) -> Path:
        """What consumers wrote (`data.store.FeedbackStore`)."""
        return self.root / "feedback"

    @property
    def market(self) -> Path:
        """What the market did (`data.store.MarketStore`)."""
        return self.root / "market"

    @property
    def inbox(self) -> Path:
        """Rows of feedback that clients sent to the gateway, until an ingest takes them."""
        return self.root / "feedback" / "inbox.db"

    @property
    def labelling(self) -> Path:
        """The labelling queue and what annotators said (`data.labelling.book.LabelBook`)."""
        return self.root / "labelling" / "labels.db"

    @property
    def drift(self) -> Path:
        """When drift last started a training, and what that printed (`data.drift.retraining`)."""
        return self.root / "drift"

    @property
    def features(self) -> Path:
        """Feast's registry, offline Parquet and online store."""
        return self.root / "features"

    @property
    def served(self) -> Path:
        """`<model>/<version>/` directories that the model server watches."""
        return self.root / "served"

    @property
    def traffic(self) -> Path:
        """Which version answers which share of requests (`serving.traffic`)."""
        return self.root / "traffic.json"

    @property
    def recent_texts(self) -> Path:
        """The latest texts that the gateway was asked, for rollouts to replay (`gateway.recent_texts`)."""
        return self.root / "recent" / "texts.jsonl"

    @property
    def rollouts(self) -> Path:
        """State of rollouts, theirs alone."""
        return self.root / "rollouts"

    @property
    def logs(self) -> Path:
        """One JSON-lines file per process kind."""
        return self.root / "logs"

    @property
    def pipeline_lock(self) -> Path:
        """Held by the one pipeline that may run on this state."""
        return self.root / "pipeline.lock"


@contextlib.contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yields an empty directory that becomes `target` when the block ends well, and vanishes when it does not.

    The files are synced to disk before the rename, so `target` is either absent or whole, also after a power cut.

    Raises:
        FileExistsError: `target` exists already.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists already")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield staging
        for path in staging.rglob("*"):
            sync(path)
        staging.chmod(0o755)
        staging.rename(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def remove_partials(folder: Path) -> None:
    """Removes what killed processes left half-written in `folder` (call it only while holding the state's lock)."""
    for leftover in folder.glob(".*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)


def write_atomically(path: Path, content: str) -> None:
    """Replaces the file as a whole or not at all.

    Raises:
        UserError: the path is a folder.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder (want the name of a file)")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, staged = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(staged).chmod(0o644)
        Path(staged).replace(path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
