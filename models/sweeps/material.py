"""What all trials of a sweep share: the rows, tokenised once, and the encoder to start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from data.preparation import Dataset
from models.checkpoints.checkpoint import read_checkpoint
from models.checkpoints.presets import Preset
from models.inputs.example_store import ExampleStore
from models.text.tokeniser import Tokeniser
from models.training.fitting import Fitted, Observer, Trainer
from models.training.tokenised_rows import tokenise_rows
from sazon.home import atomic_directory
from sazon.settings import EncoderSettings, TrainSettings


@dataclass(frozen=True)
class Material:
    """Rows of the train and the eval split (never of the test split), and an encoder."""

    train: ExampleStore
    held_out: ExampleStore
    tokeniser: Tokeniser
    size: EncoderSettings
    weights: Mapping[str, np.ndarray] | None

    @classmethod
    def prepare(cls, dataset: Dataset, preset: Preset, size: EncoderSettings, folder: Path) -> Self:
        """Tokenises into `folder`, or reuses what an interrupted sweep left there."""
        checkpoint = read_checkpoint(preset.checkpoint) if preset.checkpoint else None
        if not folder.exists():
            with atomic_directory(folder) as staging:
                rows = {name: _read(dataset.parquet(name)) for name in ("train", "eval")}
                tokeniser = (
                    checkpoint.tokeniser if checkpoint else Tokeniser.learn(rows["train"]["text"], size.vocabulary)
                )
                tokeniser.write(staging)
                for name, table in rows.items():
                    ExampleStore.write(staging / name, tokenise_rows(table, tokeniser, size.max_tokens))
        train, held_out = ExampleStore(folder / "train"), ExampleStore(folder / "eval")
        return cls(train, held_out, Tokeniser.read(folder), size, checkpoint.weights if checkpoint else None)

    def fit(self, settings: TrainSettings, observer: Observer) -> Fitted:
        """Trains a model as `sazon train` does."""
        return Trainer(
            self.train,
            self.held_out,
            len(self.tokeniser.vocabulary),
            self.tokeniser.mask_id,
            self.size,
            settings,
            weights=self.weights,
            observer=observer,
        ).fit()


def _read(path: Path) -> pd.DataFrame:
    rows = pd.read_parquet(path)
    return rows.assign(sentiment=rows["sentiment"].fillna(""), tastes=rows["tastes"].map(tuple))
