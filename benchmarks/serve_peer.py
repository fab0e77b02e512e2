"""A peer of the serving benchmark: FastAPI and onnxruntime, as a team might write it in an afternoon.

`python -m benchmarks.serve_peer FOLDER PORT [int8]`; the folder holds what `sazon models export --format onnx` wrote.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

LONGEST = 128


class Question(BaseModel):
    """What is asked."""

    text: str


def make_app(folder: Path, int8: bool) -> FastAPI:
    """The application; FastAPI runs its plain functions in threads, onnxruntime frees the interpreter meanwhile."""
    model = folder / "model.onnx"
    if int8:
        from onnxruntime.quantization import quantize_dynamic

        model = folder / "model.int8.onnx"
        quantize_dynamic(str(folder / "model.onnx"), str(model))
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    tokeniser = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokeniser.enable_truncation(LONGEST)
    app = FastAPI()

    @app.post("/predict")
    def predict(question: Question) -> dict[str, Any]:
        encoded = tokeniser.encode(question.text)
        feed = {
            "input_ids": np.array([encoded.ids], np.int64),
            "attention_mask": np.array([encoded.attention_mask], np.int64),
        }
        sentiment, tastes = session.run(["sentiment_probs", "taste_probs"], feed)
        return {"sentiment_probs": sentiment[0].tolist(), "taste_probs": tastes[0].tolist()}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(Path(sys.argv[1]), "int8" in sys.argv[3:]), port=int(sys.argv[2]), log_level="warning")
