"""A BERT checkpoint in transformers format, read and written without PyTorch."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from models.checkpoints.config import CONFIG_FILE, config_of, encoder_settings, read_config
from models.checkpoints.weight_files import read_weights, write_weights
from models.text.tokeniser import Tokeniser
from sazon.errors import UserError
from sazon.home import atomic_directory
from sazon.settings import EncoderSettings

Architecture: TypeAlias = Literal["BertModel", "BertForMaskedLM", "BertForSequenceClassification"]
Shape: TypeAlias = tuple[int, ...]

# What transformers' class of that name holds beside the embeddings and the encoder.
_HEADS: Final[dict[Architecture, tuple[str, ...]]] = {
    "BertModel": ("pooler.",),
    "BertForMaskedLM": ("cls.predictions.",),
    "BertForSequenceClassification": ("pooler.", "classifier."),
}
_TRUNK: Final = ("embeddings.", "encoder.")
# Kept by old versions beside the weights: a table of 0, 1, 2 …, and weights that are those of the word embeddings.
_REDUNDANT: Final = ("embeddings.position_ids", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias")


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
    """Reads a checkpoint.

    Args:
        folder: config.json; model.safetensors (or its shards) or pytorch_model.bin; the tokeniser's files.

    Raises:
        UserError: the folder is no BERT checkpoint, a file is missing or damaged, or its parts do not fit together.
    """
    config = read_config(folder)
    encoder = encoder_settings(folder, config)
    tokeniser = Tokeniser.read(folder)
    weights = {_name_today(name): tensor for name, tensor in read_weights(folder).items()}
    weights = {name: tensor for name, tensor in weights.items() if name not in _REDUNDANT}
    checkpoint = Checkpoint(encoder, tokeniser, weights, config)
    _check(folder, checkpoint)
    return checkpoint


def write_checkpoint(
    folder: Path,
    checkpoint: Checkpoint,
    *,
    architecture: Architecture,
    further: tuple[str, ...] = (),
    dtype: str = "float32",
) -> None:
    """Writes a checkpoint that transformers loads without a missing or unexpected key.

    Args:
        folder: must not exist; it appears whole or not at all.
        checkpoint: what to write; weights that `architecture` has no place for are left out.
        architecture: transformers' class that the weights are for.
        further: beginnings of names that are written although `architecture` has no place for them.
        dtype: of the file; float16 halves it.

    Raises:
        UserError: the folder exists already, or the weights lack a part of `architecture`.
    """
    _check(folder, checkpoint)
    heads = _HEADS[architecture]
    for head in heads:
        if not any(name.startswith(head) for name in checkpoint.weights):
            raise UserError(f"{folder}: the weights lack {head}*, which {architecture} needs")
    prefix = "" if architecture == "BertModel" else "bert."
    weights = {
        f"{prefix}{name}" if name.startswith((*_TRUNK, "pooler.")) else name: tensor
        for name, tensor in checkpoint.weights.items()
        if name.startswith((*_TRUNK, *heads, *further))
    }
    config = config_of(checkpoint.encoder, checkpoint.config) | {
        "architectures": [architecture],
        "type_vocab_size": len(checkpoint.weights["embeddings.token_type_embeddings.weight"]),
        "pad_token_id": checkpoint.tokeniser.pad_id,
    }
    try:
        with atomic_directory(folder) as staging:
            (staging / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            write_weights(staging, weights, dtype)
            checkpoint.tokeniser.write(staging)
    except FileExistsError:
        raise UserError(f"{folder} exists already: name a new folder, or remove it") from None


def encoder_shapes(size: EncoderSettings) -> Iterator[tuple[str, Shape]]:
    """Name and shape of every weight that an encoder has, but for the table of token types (any, hidden)."""
    hidden, inner = size.hidden, size.intermediate
    yield "embeddings.word_embeddings.weight", (size.vocabulary, hidden)
    yield "embeddings.position_embeddings.weight", (size.positions, hidden)
    yield from _norm("embeddings.LayerNorm", hidden)
    for layer in range(size.layers):
        block = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            yield from _dense(f"{block}.attention.self.{part}", hidden, hidden)
        yield from _dense(f"{block}.attention.output.dense", hidden, hidden)
        yield from _norm(f"{block}.attention.output.LayerNorm", hidden)
        yield from _dense(f"{block}.intermediate.dense", inner, hidden)
        yield from _dense(f"{block}.output.dense", hidden, inner)
        yield from _norm(f"{block}.output.LayerNorm", hidden)


def _dense(name: str, units: int, inputs: int) -> tuple[tuple[str, Shape], ...]:
    return (f"{name}.weight", (units, inputs)), (f"{name}.bias", (units,))


def _norm(name: str, units: int) -> tuple[tuple[str, Shape], ...]:
    return (f"{name}.weight", (units,)), (f"{name}.bias", (units,))


def _name_today(name: str) -> str:
    """The name without the prefix of models with a head, and as transformers writes it since 2019."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _check(folder: Path, checkpoint: Checkpoint) -> None:
    """Every weight of the encoder is there in its shape, and the vocabulary fits."""
    size, weights = checkpoint.encoder, checkpoint.weights
    words, tokens = weights.get("embeddings.word_embeddings.weight"), len(checkpoint.tokeniser.vocabulary)
    if words is not None and len(words) != tokens:
        raise UserError(
            f"{folder}: the vocabulary has {tokens} tokens, the embedding table {len(words)} rows: "
            "take both from one checkpoint"
        )
    types = "embeddings.token_type_embeddings.weight"
    expected = {types: (len(weights.get(types, "")), size.hidden), **dict(encoder_shapes(size))}
    if "pooler.dense.weight" in weights:
        expected.update(_dense("pooler.dense", size.hidden, size.hidden))
    for name, shape in expected.items():
        if name not in weights:
            raise UserError(f"{folder}: the weights lack {name}: the checkpoint is incomplete or no BERT")
        if weights[name].shape != shape:
            raise UserError(f"{folder}: {name} has shape {weights[name].shape}, {CONFIG_FILE} asks for {shape}")
