"""TensorFlow as serving needs it: no Keras, no JAX, and of TensorFlow Text the operations alone.

Keras, and what it imports in turn (pandas, scikit-learn), is half of TensorFlow's start-up; JAX, which TensorFlow Lite
would like to convert, is a tenth of the memory.
"""

import gc
import importlib.util
import logging
import sys
from pathlib import Path
from typing import Final

from sazon.memory import share_arenas
from sazon.quiet import quiet_libraries

_UNUSED: Final = ("keras", "jax")
_ARENAS: Final = 2


def import_tensorflow() -> None:
    """Imports TensorFlow into this process and registers the operations of our models' tokenisers."""
    quiet_libraries()
    share_arenas(_ARENAS)
    absent = [name for name in _UNUSED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # TensorFlow then goes without it
    try:
        import tensorflow as tf
    finally:
        for name in absent:
            del sys.modules[name]
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
