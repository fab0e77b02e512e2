"""What a model takes and gives under one name."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.model_server.statuses import invalid_argument

DEFAULT_SIGNATURE = "serving_default"

Array = NDArray[Any]
"""Strings are arrays of dtype object that hold `bytes`."""

NUMPY_TYPES: Mapping[str, type[Any]] = {
    "float": np.float32,
    "double": np.float64,
    "half": np.float16,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "string": np.object_,
}
"""TensorFlow's names of element types, and how numpy holds them."""


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives; names are sorted.

    Attributes:
        inputs: name to element type (`string`, `float`, …).
        outputs: names.
        shapes: declared shapes of inputs whose rank is known; -1 for any size.
    """

    inputs: Mapping[str, str]
    outputs: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def accepts(self, inputs: Mapping[str, Array]) -> bool:
        """Whether the arrays have the declared shapes; TensorFlow itself leaves that to the operations."""
        return all(
            len(shape) == inputs[name].ndim
            and all(size in (-1, got) for size, got in zip(shape, inputs[name].shape, strict=True))
            for name, shape in self.shapes.items()
        )

    def check_names(self, inputs: Collection[str], output_filter: tuple[str, ...]) -> None:
        """Compares the names of a gRPC request with this signature.

        Raises:
            StatusError: an input is missing or unknown, or an output is unknown or asked for twice.
        """
        sent, wanted = set(inputs), set(self.inputs)
        if sent != wanted:
            raise invalid_argument(
                f"input size does not match signature: {len(sent)}!={len(wanted)} len({_braced(sent)}) != "
                f"len({_braced(wanted)}). Sent extra: {_braced(sent - wanted)}. "
                f"Missing but required: {_braced(wanted - sent)}."
            )
        for place, name in enumerate(output_filter):
            if name not in self.outputs:
                raise invalid_argument(
                    f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                    f"{_braced(set(self.outputs))}."
                )
            if name in output_filter[:place]:
                raise invalid_argument(f"duplicate output tensor alias: {name}")


def _braced(names: set[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
