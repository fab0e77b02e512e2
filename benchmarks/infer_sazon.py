"""Sazón's side of the inference benchmark: the SavedModel in process. Prints one line of JSON."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401  registers the ops of the tokeniser

from benchmarks.inference_workload import read_texts, time_answers


def main(folder: Path, form: str, threads: int, singles: int, batches: int) -> None:
    """Times `folder/form`."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(str(folder / form))
    serve = loaded.signatures["serving_default"]

    def answer(texts: Sequence[str]) -> Any:
        return serve(text=tf.constant(texts))["sentiment_probs"].numpy()

    texts = read_texts(folder)
    sample = answer(texts[:8]).tolist()
    print(json.dumps({**time_answers(answer, texts, singles, batches), "sample": sample}))


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    main(Path(options.pop("folder")), **options)
