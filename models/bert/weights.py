"""The encoder's variables under the names that transformers gives them, in both directions."""

from collections.abc import Mapping

import keras
import numpy as np

from models.bert.encoder import BertEncoder, Linear, Norm

Weights = Mapping[str, np.ndarray]

_TOKEN_TYPES = "embeddings.token_type_embeddings.weight"  # noqa: S105
_POSITIONS = "embeddings.position_embeddings.weight"
_QKV = ("query", "key", "value")


def load_encoder(encoder: BertEncoder, weights: Weights) -> None:
    """Sets all variables; a pooler that the checkpoint lacks keeps its random weights.

    Args:
        encoder: of the same size as the checkpoint.
        weights: float32, named as in transformers without "bert."; linear weights as (out, in).
    """
    for name, variable in _plain_variables(encoder).items():
        if name.startswith("pooler.") and name not in weights:
            continue
        value = weights[name]
        variable.assign(value.T if name.endswith("dense.weight") else value)
    # All texts are of the first token type, so its vector is one with each position's.
    types = weights.get(_TOKEN_TYPES)
    encoder.positions.assign(weights[_POSITIONS] + (0 if types is None else types[0]))
    for index, layer in enumerate(encoder.layers):
        own = f"encoder.layer.{index}.attention.self"
        layer.qkv.kernel.assign(np.concatenate([weights[f"{own}.{part}.weight"].T for part in _QKV], axis=1))
        layer.qkv.bias.assign(np.concatenate([weights[f"{own}.{part}.bias"] for part in _QKV]))


def dump_encoder(encoder: BertEncoder) -> dict[str, np.ndarray]:
    """The inverse of `load_encoder`; token types are zero, since they are part of the positions."""
    found = {
        name: value.T if name.endswith("dense.weight") else value
        for name, value in ((name, array(variable)) for name, variable in _plain_variables(encoder).items())
    }
    found[_POSITIONS] = array(encoder.positions)
    found[_TOKEN_TYPES] = np.zeros((2, encoder.size.hidden), np.float32)
    for index, layer in enumerate(encoder.layers):
        own = f"encoder.layer.{index}.attention.self"
        kernels, biases = np.split(array(layer.qkv.kernel), 3, axis=1), np.split(array(layer.qkv.bias), 3)
        for part, kernel, bias in zip(_QKV, kernels, biases, strict=True):
            found[f"{own}.{part}.weight"], found[f"{own}.{part}.bias"] = kernel.T, bias
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def array(variable: keras.Variable) -> np.ndarray:
    """A variable's value as float32 numpy, on any backend."""
    return keras.ops.convert_to_numpy(variable).astype(np.float32)


def linear(name: str, layer: Linear) -> dict[str, keras.Variable]:
    """Both variables of a dense layer by their names in transformers."""
    return {f"{name}.weight": layer.kernel, f"{name}.bias": layer.bias}


def norm(name: str, layer: Norm) -> dict[str, keras.Variable]:
    """Both variables of a layer norm by their names in transformers."""
    return {f"{name}.weight": layer.gamma, f"{name}.bias": layer.beta}


def _plain_variables(encoder: BertEncoder) -> dict[str, keras.Variable]:
    """Those that correspond one to one."""
    found = {"embeddings.word_embeddings.weight": encoder.words, **norm("embeddings.LayerNorm", encoder.norm)}
    for index, layer in enumerate(encoder.layers):
        at = f"encoder.layer.{index}"
        found |= linear(f"{at}.attention.output.dense", layer.attended)
        found |= norm(f"{at}.attention.output.LayerNorm", layer.attention_norm)
        found |= linear(f"{at}.intermediate.dense", layer.inner)
        found |= linear(f"{at}.output.dense", layer.outer)
        found |= norm(f"{at}.output.LayerNorm", layer.output_norm)
    return found | linear("pooler.dense", encoder.pooler)
