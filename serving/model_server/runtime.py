"""TensorFlow as serving needs it: no Keras, and of TensorFlow Text the operations alone.

Keras, and what it imports in turn (pandas, scikit-learn, JAX where installed), is half of TensorFlow's start-up.
"""

import gc
import importlib.util
import logging
import sys
from pathlib import Path

from sazon.quiet import quiet_libraries


def import_tensorflow() -> None:
    """Imports TensorFlow into this process and registers the operations of our models' tokenisers."""
    quiet_libraries()
    absent = "keras" not in sys.modules
    if absent:
        sys.modules["keras"] = None  # type: ignore[assignment]  # TensorFlow then goes without it
    try:
        import tensorflow as tf
    finally:
        if absent:
            del sys.modules["keras"]
    tf.get_logger().setLevel(logging.ERROR)
    for library in _text_libraries():
        tf.load_op_library(str(library))
    # TensorFlow's modules hold a million objects that never die; a collection that walks them stalls requests.
    gc.collect()
    gc.freeze()


def _text_libraries() -> list[Path]:
    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("python/ops/*.so"))
