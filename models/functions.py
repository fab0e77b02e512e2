"""The operations of the encoder whose gradient, written by hand, is shorter than the derived one."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from models.packing import Layout

Tensor = keras.KerasTensor
_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_OVER_PI = math.sqrt(2 / math.pi)


def _upstream(grads: tuple[Any, ...], upstream: Any) -> Any:
    """The incoming gradient: TensorFlow and JAX pass it by place, PyTorch by name."""
    return grads[0] if upstream is None else upstream


def to_rows(x: Tensor, layout: Layout) -> Tensor:
    """(packed, size) to (batch, tokens, size); what stands in padded places is of no meaning."""

    @ops.custom_gradient
    def spread(packed: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
            rows = _upstream(grads, upstream)
            back = ops.take(ops.reshape(rows, (-1, ops.shape(rows)[-1])), layout.origins, axis=0)
            return back if layout.live is None else back * layout.live[:, None]

        return ops.take(packed, layout.slots, axis=0), gradient

    return spread(x)


def to_packed(x: Tensor, layout: Layout) -> Tensor:
    """(batch, tokens, size) to (packed, size)."""

    @ops.custom_gradient
    def collect(rows: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
            back = ops.take(_upstream(grads, upstream), layout.slots, axis=0)
            return back * ops.cast(layout.mask, back.dtype)[..., None]

        return ops.take(ops.reshape(rows, (-1, ops.shape(rows)[-1])), layout.origins, axis=0), gradient

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
    below = 0.5 * (1 + ops.erf(x * _SQRT_HALF))

    def gradient(*grads: Tensor, upstream: Tensor | None = None) -> Tensor:
        density = ops.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return _upstream(grads, upstream) * (below + x * density)

    return x * below, gradient


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
