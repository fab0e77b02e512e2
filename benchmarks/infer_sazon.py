"""Sazón's side of the inference benchmark: the SavedModel as our model server runs it. Prints one line of JSON.

A prepared callable of a session, in the caller's thread.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
import tensorflow_text  # noqa: F401  registers the ops of the tokeniser
from tensorflow.core.protobuf import config_pb2

from benchmarks.inference_workload import read_texts, time_answers

_CALLER_THREAD = -1


@contextmanager
def prepared(model: Path, threads: int) -> Iterator[Callable[[Sequence[str]], Any]]:
    """Answers texts by sentiment probabilities (texts, 3), as our model server calls a SavedModel."""
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    with tf.Session(graph=tf.Graph(), config=config) as session:
        signature = tf.saved_model.loader.load(session, ["serve"], str(model)).signature_def["serving_default"]
        options = config_pb2.CallableOptions(
            feed=[signature.inputs["text"].name], fetch=[signature.outputs["sentiment_probs"].name]
        )
        options.run_options.inter_op_thread_pool = _CALLER_THREAD
        run = session._make_callable_from_options(options)

        def answer(texts: Sequence[str]) -> Any:
            return run(np.array(texts, object))[0]

        yield answer


def main(folder: Path, form: str, threads: int, singles: int, batches: int) -> None:
    """Times `folder/form`."""
    with prepared(folder / form, threads) as answer:
        texts = read_texts(folder)
        sample = answer(texts[:8]).tolist()
        print(json.dumps({**time_answers(answer, texts, singles, batches), "sample": sample}))


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    main(Path(options.pop("folder")), **options)
