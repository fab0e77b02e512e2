"""The operations of the encoder: with gradients shorter than the derived ones, and in forms that TensorFlow fuses.

While serving on a CPU, TensorFlow makes one oneDNN operation of product, bias and residual, but only where it
recognises the pattern (`tensorflow/core/grappler/optimizers/remapper.cc`).
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
from keras import ops

from models.bert.packing import Layout

Tensor: TypeAlias = keras.KerasTensor
_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)


def _upstream(grads: tuple[Any, ...], upstream: Any) -> Any:
    """The incoming gradient: TensorFlow and JAX pass it by place, PyTorch by name."""
    return grads[0] if upstream is None else upstream


def gather(x: Tensor, indices: Tensor) -> Tensor:
    """Rows of `x`, (rows, …), by `indices`, which are never negative."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(x, indices)  # Keras' own would spend five operations on negative ones
    return ops.take(x, indices, axis=0)


def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """(…, size) plus (size,)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.nn.bias_add(x, bias)
    return x + bias


def to_rows(x: Tensor, layout: Layout) -> Tensor:
    """(packed, size) to (batch, tokens, size); what stands in padded places is of no meaning."""

    @ops.custom_gradient
    def spread(packed: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
            rows = _upstream(grads, upstream)
            back = gather(ops.reshape(rows, (-1, ops.shape(rows)[-1])), layout.origins)
            return back if layout.live is None else back * layout.live[:, None]

        return gather(packed, layout.slots), gradient

    return spread(x)


def to_packed(x: Tensor, layout: Layout) -> Tensor:
    """(batch, tokens, size) to (packed, size)."""

    @ops.custom_gradient
    def collect(rows: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
            back = gather(_upstream(grads, upstream), layout.slots)
            return back * ops.cast(layout.mask, back.dtype)[..., None]

        return gather(ops.reshape(rows, (-1, ops.shape(rows)[-1])), layout.origins), gradient

    return collect(x)


def standardise(x: Tensor, epsilon: float) -> Tensor:
    """(rows, size) to mean 0 and variance 1 over the last axis.

    Source: Ba et al., "Layer Normalization" (2016).
    """

    @ops.custom_gradient
    def norm(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        scale = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + epsilon)
        normal = centred * scale

        def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
            rows = _upstream(grads, upstream)
            along = ops.mean(rows * normal, axis=-1, keepdims=True)
            return scale * (rows - ops.mean(rows, axis=-1, keepdims=True) - normal * along)

        return normal, gradient

    return norm(x)


@ops.custom_gradient
def gelu(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """x·Φ(x), exact.

    Source: Hendrycks & Gimpel, "Gaussian Error Linear Units" (2016).
    """
    below = (ops.erf(x * _SQRT_HALF) + 1) * 0.5

    def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
        density = ops.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return _upstream(grads, upstream) * (below + x * density)

    return below * x, gradient


@ops.custom_gradient
def gelu_new(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """GELU by its tanh approximation, as `gelu_new` of transformers."""
    square = x * x
    bent = ops.tanh(_SQRT_TWO_OVER_PI * x * (1 + 0.044715 * square))

    def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
        slope = _SQRT_TWO_OVER_PI * (1 + 3 * 0.044715 * square)
        return _upstream(grads, upstream) * 0.5 * (1 + bent + x * (1 - bent * bent) * slope)

    return 0.5 * x * (1 + bent), gradient


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu, "gelu_new": gelu_new, "relu": ops.relu}
