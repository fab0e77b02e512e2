"""A BERT checkpoint in transformers format, read and written without PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from models.tokeniser import Tokeniser
from sazon.settings import EncoderSettings

Architecture: TypeAlias = Literal["BertModel", "BertForMaskedLM", "BertForSequenceClassification"]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds.

    Attributes:
        encoder: shape of the encoder; `max_tokens` is Sazón's default, or the table of positions where that is shorter.
        tokeniser: the checkpoint's own.
        weights: float32 arrays under transformers' names without the leading "bert.":
            "embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight" (out, in) …; "pooler.…",
            "cls.predictions.…" and other heads where the checkpoint has them.
        config: config.json as it was read.
    """

    encoder: EncoderSettings
    tokeniser: Tokeniser
    weights: dict[str, np.ndarray]
    config: dict[str, Any]


def read_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint."""
    raise NotImplementedError


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, architecture: Architecture) -> None:
    """Writes a checkpoint."""
    raise NotImplementedError
