"""TensorFlow Serving's messages and stubs, without TensorFlow.

The messages lie inside the package `tensorflow`, whose own import takes seconds and hundreds of megabytes that a
gateway has no use for. While they are imported, an empty package of that name stands in its place; whoever imports
TensorFlow later gets the real one.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_PACKAGE = "tensorflow"


@contextmanager
def _without_tensorflow() -> Iterator[None]:
    spec = None if _PACKAGE in sys.modules else importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        yield
        return
    empty = ModuleType(_PACKAGE)
    empty.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = empty
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]


with _without_tensorflow():
    from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_STRING
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
    from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
    from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

__all__ = [
    "DT_FLOAT",
    "DT_STRING",
    "GetModelStatusRequest",
    "ModelServiceStub",
    "ModelVersionStatus",
    "PredictRequest",
    "PredictResponse",
    "PredictionServiceStub",
]
