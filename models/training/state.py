"""The state of a training that was interrupted: enough to go on as if nothing had happened."""

import json
import os
import tempfile
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from models.training.store import ObjectStore
from sazon.errors import StoreError
from sazon.logging import get_logger

_LOG = get_logger("training")
_NEWEST = "state.json"
_LEAST_SHARE_OF_TIME = 20  # saving takes at most a twentieth of all time


@dataclass(frozen=True)
class Epoch:
    """What one epoch brought; `eval_*` are measured on the eval split."""

    number: int
    seconds: float
    loss: float
    eval_loss: float
    eval_sentiment_macro_f1: float
    eval_tastes_macro_f1: float

    @property
    def score(self) -> float:
        """What early stopping maximises: mean of both macro-F1, or that of sentiment where no taste is labelled."""
        return float(np.nanmean([self.eval_sentiment_macro_f1, self.eval_tastes_macro_f1]))


@dataclass
class Progress:
    """Where a training stands: the epoch (from 0) and batch it does next, and what it has seen.

    `epochs` holds dataclasses of the kind that the training keeps, such as `Epoch`.
    """

    epoch: int = 0
    batch: int = 0
    losses: list[float] = field(default_factory=list)
    epochs: list[Any] = field(default_factory=list)
    seconds: float = 0.0
    best: list[np.ndarray] = field(default_factory=list)
    note: dict[str, Any] = field(default_factory=dict)


class TrainingState:
    """One file that holds a training; replaced as a whole, so that a kill leaves the one before.

    With a store, a copy goes there each time and the store is what counts: a fresh machine goes on from it, and so do
    several at once, all from the same batch.
    """

    def __init__(self, path: Path, interval_s: float, store: ObjectStore | None = None, *, writes: bool = True) -> None:
        """Names the state of one training.

        Args:
            path: of the file.
            interval_s: seconds between saves at least; more where saving takes long.
            store: of this training alone.
            writes: false where another process saves for this one.
        """
        self.path, self.interval_s, self.store, self.writes = path, interval_s, store, writes
        self._saved_at_s, self._cost_s = 0.0, 0.0

    def due(self, now_s: float) -> bool:
        """Whether it is time to save, on the clock of `time.monotonic`."""
        self._saved_at_s = self._saved_at_s or now_s
        return self.writes and now_s - self._saved_at_s >= max(self.interval_s, _LEAST_SHARE_OF_TIME * self._cost_s)

    def save(self, variables: Sequence[keras.Variable], progress: Progress, clock: Any) -> None:
        """Writes everything; `clock` is `time.monotonic`."""
        if not self.writes:
            return
        started_s = clock()
        arrays = {f"variable_{index}": keras.ops.convert_to_numpy(one) for index, one in enumerate(variables)}
        arrays |= {f"best_{index}": value for index, value in enumerate(progress.best)}
        record = {**vars(progress), "best": len(progress.best), "epochs": [asdict(one) for one in progress.epochs]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, staged = tempfile.mkstemp(suffix=".partial", dir=self.path.parent)
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, record=np.array(json.dumps(record)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        Path(staged).replace(self.path)
        if self.store:
            self._upload(self.store, record)
        self._saved_at_s = clock()
        self._cost_s = self._saved_at_s - started_s

    def restore(self, variables: Sequence[keras.Variable], epoch: type[Any] = Epoch) -> Progress:
        """Sets the variables as they were saved; a fresh start where nothing usable was saved.

        Args:
            variables: as they were given to `save`.
            epoch: dataclass of an epoch's figures.

        Raises:
            StoreError: the store cannot be read, so nobody knows whether there is something to go on from.
        """
        for leftover in self.path.parent.glob("*.partial"):
            leftover.unlink(missing_ok=True)
        if self.store:
            self._download(self.store)
        try:
            with np.load(self.path) as saved:
                record = json.loads(str(saved["record"]))
                values = [saved[f"variable_{index}"] for index in range(len(variables))]
                best = [saved[f"best_{index}"] for index in range(record.pop("best"))]
        except (FileNotFoundError, KeyError, ValueError, zipfile.BadZipFile):
            return Progress()
        if any(value.shape != tuple(one.shape) for value, one in zip(values, variables, strict=True)):
            return Progress()
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        epochs = [epoch(**one) for one in record.pop("epochs")]
        return Progress(**record, best=best, epochs=epochs)

    def note(self) -> dict[str, Any]:
        """What the interrupted training had noted; empty where there is none."""
        if self.store:
            found: dict[str, Any] = (newest_in(self.store) or {}).get("note", {})
            return found
        try:
            with np.load(self.path) as saved:
                found = json.loads(str(saved["record"]))["note"]
        except (FileNotFoundError, KeyError, ValueError, zipfile.BadZipFile):
            return {}
        return found

    def discard(self) -> None:
        """Forgets the training; it ended well."""
        self.path.unlink(missing_ok=True)

    @classmethod
    def of(cls, folder: Path, key: str, interval_s: float) -> Self:
        """The state of the training that `key` names."""
        return cls(folder / f"{key}.npz", interval_s)

    def _upload(self, store: ObjectStore, record: dict[str, Any]) -> None:
        """Under a new name, then says that this one counts; a failure leaves the one before and stops no training."""
        name = f"state-{uuid.uuid4().hex}.npz"
        known = {key: record[key] for key in ("epoch", "batch", "epochs", "note")}
        try:
            before = (newest_in(store) or {}).get("object")
            store.put(name, self.path)
            store.put_json(_NEWEST, {"object": name, "bytes": self.path.stat().st_size, **known})
        except StoreError as error:
            _LOG.warning("checkpoint not stored, the one before stays: %s", error)
            return
        try:
            if before:
                store.delete(before)
        except StoreError as error:
            _LOG.warning("checkpoint stored, but the one before stays as well: %s", error)

    def _download(self, store: ObjectStore) -> None:
        self.path.unlink(missing_ok=True)
        newest = newest_in(store)
        if newest and not store.get(newest["object"], self.path):
            _LOG.warning("%s names a checkpoint that is not there: training begins anew", store.address)
        if self.writes:
            uploads = [name for name in store.names() if name.startswith("state-")]
            store.delete(*(name for name in uploads if not newest or name != newest["object"]))


def newest_in(store: ObjectStore) -> dict[str, Any] | None:
    """The checkpoint that counts: its `object`, `epoch`, `batch`, `epochs` and `note`; None where there is none."""
    found: dict[str, Any] | None = store.get_json(_NEWEST)
    return found
