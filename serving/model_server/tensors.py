"""TensorProto to arrays and back, with typed fields as TensorFlow Serving answers."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.python.framework import tensor_util

from serving.model_server.signature import NUMPY_TYPES, Array
from serving.model_server.statuses import invalid_argument

MAX_FILLED: Final = 2**20
"""One value may stand for a whole tensor of so many elements: a tiny message must not ask for all memory there is."""

_FIELDS: Final[Mapping[str, str]] = {
    "float": "float_val",
    "double": "double_val",
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "string": "string_val",
}
_NAMES: Final = {np.dtype(kind): name for name, kind in NUMPY_TYPES.items()}


def read_tensor(name: str, proto: tensor_pb2.TensorProto, dtype: str) -> Array:
    """Decodes an input tensor.

    Args:
        name: the input's name, for the message.
        proto: values in `tensor_content` or in a typed field.
        dtype: the element type that the signature asks for.

    Raises:
        StatusError: the values do not fill the shape, or are of another type.
    """
    got = _type_name(proto.dtype)
    if got != dtype:
        raise invalid_argument(f"Expects arg[{name}] to be {dtype} but {got} is provided")
    shape = [dim.size for dim in proto.tensor_shape.dim]
    count = math.prod(shape)
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or count > max(MAX_FILLED, proto.ByteSize()):
        raise invalid_argument(f"tensor parsing error: {name}")
    try:
        if dtype == "string" and len(proto.string_val) == count:
            array = np.empty(len(proto.string_val), np.object_)
            array[:] = proto.string_val
            return array.reshape(shape)
        return np.asarray(tensor_util.MakeNdarray(proto))
    except (ValueError, TypeError, MemoryError):
        raise invalid_argument(f"tensor parsing error: {name}") from None


def write_tensor(array: Array) -> tensor_pb2.TensorProto:
    """Encodes an output tensor.

    >>> write_tensor(np.array([[0.5, 2.0]], np.float32)).float_val
    [0.5, 2.0]
    """
    name = _NAMES.get(array.dtype)
    if name is None or name not in _FIELDS:
        return tensor_util.make_tensor_proto(array)
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DataType.Value(f"DT_{name.upper()}"))
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, _FIELDS[name]).extend(array.ravel().tolist())
    return proto


def _type_name(number: int) -> str:
    known = number in types_pb2.DataType.values()
    return types_pb2.DataType.Name(number).removeprefix("DT_").lower() if known else f"type {number}"
