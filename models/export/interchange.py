"""A registered model's checkpoint in the formats that others read."""

from pathlib import Path
from typing import Literal

from models.bert.precision import Served
from models.checkpoints.finetuned import read_finetuned, write_for_transformers
from sazon.home import atomic_directory

Format = Literal["transformers", "savedmodel", "onnx"]


def write_format(checkpoint: Path, folder: Path, wanted: Format, products: Served = "float32") -> None:
    """Writes a model; `folder` appears whole or not at all.

    Args:
        checkpoint: as `models.checkpoints.finetuned.write_finetuned` wrote it.
        folder: must not exist. transformers: one checkpoint a task, `sentiment/` and `tastes/`; onnx: `model.onnx` and
            the tokeniser's files; savedmodel: what a TensorFlow Serving version directory holds.
        wanted: the format.
        products: number format of matrix products in a SavedModel.
    """
    with atomic_directory(folder) as staging:
        if wanted == "transformers":
            write_for_transformers(checkpoint, staging / "sentiment", "sentiment")
            write_for_transformers(checkpoint, staging / "tastes", "tastes")
            return
        if wanted == "onnx":
            from models.export.onnx_graph import write_onnx

            model, answering = read_finetuned(checkpoint)
            write_onnx(staging / "model.onnx", model, answering)
            answering.tokeniser.write(staging)
        else:
            from models.export.frozen_model import TasteServing, read_to_serve

            TasteServing(*read_to_serve(checkpoint, products)).save(staging)
