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


def matmul(left: Tensor, right: Tensor, transposed: bool = False) -> Tensor:
    """Product over the last two axes, those of `right` turned if `transposed`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.matmul(left, right, transpose_b=transposed)  # nothing is turned by itself, nor in the gradient
    return ops.matmul(left, ops.swapaxes(right, -1, -2) if transposed else right)


def to_heads(x: Tensor, layout: Layout, heads: int, head_size: int) -> Tensor:
    """Lays packed tokens out for attention.

    Args:
        x: (packed, parts · heads · head size).
        layout: of the packed tokens.
        heads: of a part.
        head_size: of a head.

    Returns:
        (parts, batch, heads, tokens, head size); what stands in padded places is of no meaning.
    """
    parts = x.shape[-1] // (heads * head_size)

    @ops.custom_gradient
    def spread(packed: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
            rows = ops.reshape(_upstream(grads, upstream), (-1, head_size))
            back = gather(rows, _into_packed(layout, parts, heads))
            back = ops.reshape(back, (-1, parts * heads * head_size))
            return back if layout.live is None else back * layout.live[:, None]

        return gather(ops.reshape(packed, (-1, head_size)), _into_heads(layout, parts, heads)), gradient

    return spread(x)


def to_packed(x: Tensor, layout: Layout, heads: int, head_size: int) -> Tensor:
    """(batch, heads, tokens, head size) to (packed, heads · head size)."""

    @ops.custom_gradient
    def collect(rows: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
            packed = ops.reshape(_upstream(grads, upstream), (-1, head_size))
            back = gather(packed, _into_heads(layout, 1, heads)[0])
            return back * ops.cast(layout.mask, back.dtype)[:, None, :, None]

        found = gather(ops.reshape(rows, (-1, head_size)), _into_packed(layout, 1, heads))
        return ops.reshape(found, (-1, heads * head_size)), gradient

    return collect(x)


def _into_heads(layout: Layout, parts: int, heads: int) -> Tensor:
    """(parts, batch, heads, tokens) int32: where each head stands in (packed · parts · heads, head size)."""
    places = ops.reshape(ops.arange(parts * heads, dtype="int32"), (parts, 1, heads, 1))
    return layout.slots[:, None, :] * (parts * heads) + places


def _into_packed(layout: Layout, parts: int, heads: int) -> Tensor:
    """(packed, parts, heads) int32: where each head stands in (parts · batch · heads · tokens, head size)."""
    batch, tokens = ops.shape(layout.mask)[0], ops.shape(layout.mask)[1]
    part = ops.arange(parts, dtype="int32")[:, None] * (batch * heads * tokens)
    places = part + ops.arange(heads, dtype="int32") * tokens
    first_heads = layout.origins + layout.origins // tokens * ((heads - 1) * tokens)
    return first_heads[:, None, None] + places


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
