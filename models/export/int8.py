"""The served encoder on an x86 CPU: matrix products of eight-bit integers, and operations that oneDNN fuses.

Weights are rounded by output column. Inputs are rounded within a range that training rows showed, the same for every
text, so that an answer does not depend on what else is in its batch. What an activation put out has hardly a negative
side, so its range begins at the activation's least value: steps half as wide. Product, bias and GELU become one
operation, the norm another. Both are part of every TensorFlow for x86 on Linux, though not of its public interface.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from models.bert.encoder import BertEncoder, Linear, Norm
from models.bert.packing import Layout
from models.export.weights import constants

_LARGEST = 127
_TINY = 1e-8
_FUSED = {"gelu": "GeluExact", "gelu_new": "GeluApproximate", "relu": "Relu"}
_LEAST = {"gelu": -0.1701, "gelu_new": -0.1701, "relu": 0.0}  # GELU's is at -0.752, its approximation's too

_Function = Callable[..., tf.Tensor]


def input_ranges(encoder: BertEncoder, batches: Iterable[tuple[Any, Layout]]) -> list[float]:
    """The largest magnitude that each product of the layers reads, from packed tokens and their layouts."""
    linears = _linears(encoder)
    seen = [0.0] * len(linears)

    def watched(place: int, linear: Linear) -> _Function:
        def watch(x: tf.Tensor, columns: slice) -> tf.Tensor:
            seen[place] = max(seen[place], float(tf.reduce_max(tf.abs(x))))
            return linear.compute(x, columns)

        return watch

    with _standing_in([(linear, watched(place, linear)) for place, linear in enumerate(linears)]):
        for tokens, layout in batches:
            encoder(tokens, layout=layout)
    return seen


class IntegerProducts:
    """An encoder's products and norms, to be traced instead of its own."""

    def __init__(self, encoder: BertEncoder, ranges: list[float]) -> None:
        """Takes the weights as they are now.

        Args:
            encoder: in float32.
            ranges: as from `input_ranges`.
        """
        self._activation = _FUSED[encoder.size.activation]
        self._linears, self._ranges = _linears(encoder), [max(value, _TINY) for value in ranges]
        in_layers = (norm for layer in encoder.layers for norm in (layer.attention_norm, layer.output_norm))
        self._norms: list[Norm] = [encoder.norm, *in_layers]
        activated = [layer.outer for layer in encoder.layers]
        least = _LEAST[encoder.size.activation]
        self._least = [least if linear in activated else None for linear in self._linears]
        of_products = [value for pair in zip(self._linears, self._least, strict=True) for value in _rounded(*pair)]
        of_norms = [np.array(value) for norm in self._norms for value in (norm.gamma, norm.beta)]
        self._of_products, self._of_norms = constants(of_products), constants(of_norms)

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Within it, the encoder's layers are traced as integer operations."""
        weights, affine = self._of_products, self._of_norms
        products = [
            (linear, self._product(linear, reach, least, *weights[3 * place : 3 * place + 3]))
            for place, (linear, reach, least) in enumerate(zip(self._linears, self._ranges, self._least, strict=True))
        ]
        norms = [(norm, _norm(norm, *affine[2 * place : 2 * place + 2])) for place, norm in enumerate(self._norms)]
        with _standing_in([*products, *norms]):
            yield

    def _product(
        self, linear: Linear, reach: float, least: float | None, kernel: tf.Tensor, scale: tf.Tensor, bias: tf.Tensor
    ) -> _Function:
        fused = ["BiasAdd", *([self._activation] if linear.activation is not None else []), "Dequantize"]

        def product(x: tf.Tensor, columns: slice) -> tf.Tensor:
            rounded, low, high = _round_input(x, reach, least)
            # Saving would turn a captured qint8 into int8.
            operands = [rounded, tf.bitcast(kernel[:, columns], tf.qint8), bias[columns]]
            ranges = [tf.constant(low), tf.constant(high), -scale[columns], scale[columns]]
            attributes = {
                **{"T1": rounded.dtype, "T2": tf.qint8, "Tbias": tf.float32, "U": tf.float32, "Tout": tf.float32},
                **{"Tdevice_inputs": [operand.dtype for operand in operands], "Tdevice_outputs": [tf.float32]},
                **{"Thost_inputs": [tf.float32] * len(ranges), "Thost_outputs": []},
                **{"input_quant_mode": "SCALED", "output_quant_mode": "SCALED", "fused_ops": fused},
            }
            return _private("_QuantizedMatMul", [*operands, *ranges], attributes, [None, operands[2].shape[0]])

        return product


def _round_input(x: tf.Tensor, reach: float, least: float | None) -> tuple[tf.Tensor, float, float]:
    """`x` in eight bits, and the ends of their range as the product takes them; from 0 where there is a least."""
    if least is None:
        rounded = tf.raw_ops.QuantizeV2(
            input=x, min_range=-reach, max_range=reach, T=tf.qint8, mode="SCALED", round_mode="HALF_TO_EVEN",
            narrow_range=True,
        )  # fmt: skip
        return rounded.output, -reach, reach
    rounded = tf.raw_ops.QuantizeV2(input=x, min_range=least, max_range=reach, T=tf.quint8, mode="MIN_FIRST")
    return rounded.output, 0.0, reach - least


def _rounded(linear: Linear, least: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kernel (inputs, outputs) int8, the largest magnitude of its columns (outputs,) and bias (outputs,).

    The product takes an input's code 0, which stands for `least`, for 0; the bias makes up for it.
    """
    kernel = np.array(linear.kernel)
    scale = np.maximum(np.abs(kernel).max(axis=0), _TINY)
    codes = np.rint(kernel / scale * _LARGEST)
    bias = np.array(linear.bias) + (least or 0.0) * codes.sum(axis=0) * scale / _LARGEST
    return codes.astype(np.int8), scale, bias.astype(np.float32)


def _norm(norm: Norm, gamma: tf.Tensor, beta: tf.Tensor) -> _Function:
    def standardised(x: tf.Tensor) -> tf.Tensor:
        return _private("_MklLayerNorm", [x, gamma, beta], {"T": tf.float32, "epsilon": norm.epsilon}, x.shape)

    return standardised


def _linears(encoder: BertEncoder) -> list[Linear]:
    return [part for layer in encoder.layers for part in (layer.qkv, layer.attended, layer.inner, layer.outer)]


@contextmanager
def _standing_in(functions: list[tuple[Linear | Norm, _Function]]) -> Iterator[None]:
    for layer, function in functions:
        layer.stand_in = function
    try:
        yield
    finally:
        for layer, _ in functions:
            layer.stand_in = None


def _private(name: str, inputs: list[tf.Tensor], attributes: dict[str, Any], shape: Any) -> tf.Tensor:
    """An operation that TensorFlow's Python does not wrap, with one float32 result, whose shape it cannot tell."""
    values = {key: _attribute(value) for key, value in attributes.items()}
    graph = tf.compat.v1.get_default_graph()
    answer = graph.create_op(name, inputs, dtypes=[tf.float32], name=name.strip("_"), attrs=values).outputs[0]
    answer.set_shape(shape)
    return answer


def _attribute(value: Any) -> Any:
    message = tf.compat.v1.AttrValue
    match value:
        case tf.DType():
            return message(type=value.as_datatype_enum)
        case float():
            return message(f=value)
        case str():
            return message(s=value.encode())
        case [str(), *_]:
            return message(list=message.ListValue(s=[one.encode() for one in value]))
        case _:
            return message(list=message.ListValue(type=[one.as_datatype_enum for one in value]))
