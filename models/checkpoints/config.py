"""config.json of a BERT checkpoint in transformers format: read into our settings, and written back."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sazon.errors import UserError
from sazon.settings import EncoderSettings

CONFIG_FILE: Final = "config.json"
_MAX_TOKENS: Final[int] = EncoderSettings.model_fields["max_tokens"].default
# transformers has several names for one function.
_ACTIVATIONS: Final = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
}
_FIXED: Final[dict[str, Any]] = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}


def read_config(folder: Path) -> dict[str, Any]:
    """Reads config.json.

    Raises:
        UserError: the folder has none, or it describes a model that is no BERT encoder.
    """
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        wrong = [(key, config[key]) for key, value in _FIXED.items() if config.get(key, value) != value]
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} is no checkpoint in transformers format: it has no {CONFIG_FILE}") from None
    except (ValueError, AttributeError, OSError) as error:
        raise UserError(f"{path} is no object in JSON: {error}") from None
    for key, value in wrong:
        raise UserError(f"{path}: {key} is {value!r}, only {_FIXED[key]!r} is supported: choose a BERT checkpoint")
    return config


def encoder_settings(folder: Path, config: dict[str, Any]) -> EncoderSettings:
    """The shape that config.json describes; `max_tokens` is the default, or the table of positions where shorter.

    Raises:
        UserError: a size is missing or out of range, or the activation is unknown.
    """
    path, activation = folder / CONFIG_FILE, config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise UserError(f"{path}: hidden_act is {activation!r}, supported are {', '.join(_ACTIVATIONS)}")
    try:
        positions = int(config["max_position_embeddings"])
        return EncoderSettings(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            heads=config["num_attention_heads"],
            intermediate=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            max_tokens=min(_MAX_TOKENS, positions // 8 * 8),
            positions=positions,
            activation=_ACTIVATIONS[activation],
            norm_epsilon=config.get("layer_norm_eps", 1e-12),
        )
    except KeyError as error:
        raise UserError(f"{path} lacks {error.args[0]}: it describes no BERT") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "sizes"
        raise UserError(f"{path}: {place}: {first['msg']}") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: max_position_embeddings is no number ({error})") from None


def config_of(encoder: EncoderSettings, said: dict[str, Any]) -> dict[str, Any]:
    """config.json for an encoder.

    Args:
        encoder: its shape, which wins over `said`.
        said: what an earlier config.json held; all else of it stays.
    """
    kept = {key: value for key, value in said.items() if key not in ("dtype", "torch_dtype")}
    if _ACTIVATIONS.get(kept.get("hidden_act", "")) != encoder.activation:
        kept["hidden_act"] = encoder.activation
    return kept | {
        "model_type": "bert",
        "num_hidden_layers": encoder.layers,
        "hidden_size": encoder.hidden,
        "num_attention_heads": encoder.heads,
        "intermediate_size": encoder.intermediate,
        "vocab_size": encoder.vocabulary,
        "max_position_embeddings": encoder.positions,
        "layer_norm_eps": encoder.norm_epsilon,
    }
