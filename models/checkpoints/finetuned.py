"""A fine-tuned model as a checkpoint in transformers format: encoder, both heads, and how its logits become answers."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from models.bert.context import ContextFusion
from models.bert.taste_model import TasteModel
from models.bert.weights import dump_encoder, linear, load_encoder
from models.checkpoints.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.text.tokeniser import Tokeniser
from sazon.errors import UserError
from sazon.schema import SENTIMENTS, TASTES
from sazon.settings import TrainSettings

if TYPE_CHECKING:
    import keras

Task: TypeAlias = Literal["sentiment", "tastes"]

_OURS = "sazon"  # the key in config.json for what transformers has no name for
_CONTEXT = "context."
_LABELS: dict[Task, tuple[str, ...]] = {"sentiment": SENTIMENTS, "tastes": TASTES}
_HEADS: dict[Task, str] = {"sentiment": "classifier", "tastes": "taste_classifier"}


@dataclass(frozen=True)
class Answering:
    """What turns texts into tokens, and logits into answers.

    `input_ranges` are those of `models.export.int8`; None: the model is only served in floating point.
    """

    tokeniser: Tokeniser
    max_tokens: int
    thresholds: list[float]
    temperature: float = 1.0
    input_ranges: list[float] | None = None


def write_finetuned(folder: Path, model: TasteModel, answering: Answering) -> None:
    """Writes a checkpoint that holds everything; `folder` must not exist."""
    weights = dump_encoder(model.encoder)
    weights |= {name: _transposed(value) for name, value in _heads(model).items()}
    if model.context is not None:
        weights |= {name: _transposed(value) for name, value in _fusion(model.context).items()}
    ours = {
        "thresholds": answering.thresholds,
        "temperature": answering.temperature,
        "input_ranges": answering.input_ranges,
    }
    size = model.encoder.size.model_copy(update={"vocabulary": len(answering.tokeniser.vocabulary)})
    config = {**_labels("sentiment"), _OURS: {**ours, "max_tokens": answering.max_tokens}}
    write_checkpoint(
        folder,
        Checkpoint(size, answering.tokeniser, weights, config),
        architecture="BertForSequenceClassification",
        further=(f"{_HEADS['tastes']}.", _CONTEXT),
    )


def read_finetuned(folder: Path, products: str = "float32") -> tuple[TasteModel, Answering]:
    """Reads what `write_finetuned` wrote; `products` is the dtype of matrix products.

    Raises:
        UserError: the folder is no such checkpoint.
    """
    checkpoint = read_checkpoint(folder)
    ours = checkpoint.config.get(_OURS)
    if ours is None:
        raise UserError(f"{folder} was not fine-tuned by Sazón: its config.json has no {_OURS}")
    settings = TrainSettings(context=any(name.startswith(_CONTEXT) for name in checkpoint.weights))
    model = TasteModel(checkpoint.encoder.vocabulary, checkpoint.encoder, settings, products)
    load_encoder(model.encoder, checkpoint.weights)
    for name, variable in _heads(model).items():
        variable.assign(checkpoint.weights[name].T)
    for name, variable in _fusion(model.context).items() if model.context is not None else ():
        variable.assign(checkpoint.weights[name].T)
    return model, Answering(
        checkpoint.tokeniser, ours["max_tokens"], ours["thresholds"], ours["temperature"], ours.get("input_ranges")
    )


def write_for_transformers(source: Path, folder: Path, task: Task) -> None:
    """Writes one task as `BertForSequenceClassification`, with no key that transformers does not know.

    The temperature is folded into the weights, so that softmax gives the probabilities that are served.

    Args:
        source: as `write_finetuned` wrote it.
        folder: must not exist.
        task: sentiment is single-label; tastes is multi-label, its thresholds stand in config.json.
    """
    checkpoint = read_checkpoint(source)
    ours = checkpoint.config[_OURS]
    scale = ours["temperature"] if task == "sentiment" else 1.0
    ours_alone = (*_HEADS.values(), _CONTEXT)
    weights = {name: value for name, value in checkpoint.weights.items() if not name.startswith(ours_alone)}
    for part in ("weight", "bias"):
        weights[f"classifier.{part}"] = checkpoint.weights[f"{_HEADS[task]}.{part}"] / scale
    kept = {key: value for key, value in checkpoint.config.items() if key != _OURS}
    config = {**kept, **_labels(task)}
    if task == "tastes":
        config["thresholds"] = dict(zip(TASTES, ours["thresholds"], strict=True))
    write_checkpoint(
        folder, replace(checkpoint, weights=weights, config=config), architecture="BertForSequenceClassification"
    )


def _fusion(layer: ContextFusion) -> dict[str, "keras.Variable"]:
    """The variables of the fusion by name."""
    found = {f"{_CONTEXT}centre": layer.centre, f"{_CONTEXT}scale": layer.scale}
    for part in ("inner", "outer", "gate"):
        found |= linear(f"{_CONTEXT}{part}", getattr(layer, part))
    return found


def _heads(model: TasteModel) -> dict[str, Any]:
    return linear(_HEADS["sentiment"], model.sentiment_head) | linear(_HEADS["tastes"], model.taste_head)


def _labels(task: Task) -> dict[str, Any]:
    names = _LABELS[task]
    return {
        "id2label": {str(index): name for index, name in enumerate(names)},
        "label2id": {name: index for index, name in enumerate(names)},
        "problem_type": "single_label_classification" if task == "sentiment" else "multi_label_classification",
    }


def _transposed(variable: Any) -> np.ndarray:
    import keras

    return np.ascontiguousarray(keras.ops.convert_to_numpy(variable).T)
