"""The peers of the inference benchmark: PyTorch and onnxruntime over one transformers checkpoint. Prints JSON.

Runs in an interpreter of its own that has torch, transformers, onnx and onnxruntime, and nothing of Sazón.
"""

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.inference_workload import LONGEST, read_texts, time_answers

Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def convert(checkpoint: Path, onnx: Path) -> None:
    """Writes `onnx` in float32, and beside it in int8 as `quantize_dynamic` makes it by default."""
    from onnxruntime.quantization import quantize_dynamic

    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    model.config.return_dict = False
    names = ("input_ids", "attention_mask")
    example = tuple(torch.ones(2, 8, dtype=torch.long) for _ in names)
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    torch.onnx.export(
        model,
        example,
        str(onnx),
        input_names=list(names),
        output_names=["logits"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,  # the other exporter needs onnxscript
    )
    quantize_dynamic(str(onnx), str(onnx.with_suffix(".int8.onnx")))


def with_pytorch(checkpoint: Path, threads: int) -> Run:
    """PyTorch in float32."""
    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()

    def run(tokens: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return model(**{name: torch.from_numpy(value) for name, value in tokens.items()}).logits.numpy()

    return run


def with_onnxruntime(onnx: Path, threads: int) -> Run:
    """ONNX Runtime on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    return lambda tokens: session.run(None, tokens)[0]


def main(folder: Path, form: str, threads: int, singles: int, batches: int) -> dict[str, Any]:
    """Times one peer: its tokeniser, dynamic padding, its logits."""
    checkpoint, onnx = folder / "checkpoint", folder / "model.onnx"
    if not onnx.exists():
        convert(checkpoint, onnx)
    quantised = onnx.with_suffix(".int8.onnx")
    run = {
        "pytorch": lambda: with_pytorch(checkpoint, threads),
        "onnx": lambda: with_onnxruntime(onnx, threads),
        "int8": lambda: with_onnxruntime(quantised, threads),
    }[form]()
    tokeniser = AutoTokenizer.from_pretrained(checkpoint)

    def answer(texts: Sequence[str]) -> np.ndarray:
        tokens = tokeniser(list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="np")
        return run({name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")})

    texts = read_texts(folder)
    exponents = np.exp(answer(texts[:8]))
    sample = (exponents / exponents.sum(axis=1, keepdims=True)).tolist()
    return {**time_answers(answer, texts, singles, batches), "sample": sample}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    options = json.loads(sys.argv[1])
    print(json.dumps(main(Path(options.pop("folder")), **options)))
