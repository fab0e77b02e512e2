"""From the `preset` setting to an encoder: a shipped size, a local checkpoint, or one of the Hugging Face hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.checkpoints.config import encoder_settings, read_config
from sazon.errors import UserError
from sazon.settings import PRESETS, EncoderSettings

SHIPPED: Final = Path(__file__).parents[1] / "pretrained"
_FILES: Final = ("config.json", "tokenizer*", "vocab.txt", "special_tokens_map.json", "model*.safetensors*")
_OLD_WEIGHTS: Final = "pytorch_model.bin"


@dataclass(frozen=True)
class Preset:
    """An encoder to start from.

    Attributes:
        name: as the user wrote it.
        encoder: its shape.
        checkpoint: folder of its weights in transformers format; None trains from scratch.
    """

    name: str
    encoder: EncoderSettings
    checkpoint: Path | None


def resolve_preset(name: str) -> Preset:
    """Finds what a preset's name stands for; an id of the hub is fetched once and kept in the hub's cache.

    Args:
        name: a shipped preset, a directory in transformers format, or a hub id such as
            "dccuchile/bert-base-spanish-wwm-cased".

    Raises:
        UserError: nothing has that name, the hub cannot be reached or refuses, or the checkpoint is no BERT.
    """
    local = Path(name).expanduser()
    if local.name == name and (SHIPPED / name).is_dir():
        return _from_folder(name, SHIPPED / name)
    if name in PRESETS:
        return Preset(name, PRESETS[name], None)
    if local.is_dir():
        return _from_folder(name, local)
    if "/" in name:
        return _from_folder(name, _fetch(name))
    raise UserError(
        f'preset "{name}" is neither shipped ({", ".join(PRESETS)}) nor a directory nor a hub id (owner/name)'
    )


def _from_folder(name: str, folder: Path) -> Preset:
    return Preset(name, encoder_settings(folder, read_config(folder)), folder.resolve())


def _fetch(hub_id: str) -> Path:
    """The checkpoint's folder in the hub's local cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=list(_FILES)))
        if not any(folder.glob("model*.safetensors")):
            snapshot_download(hub_id, allow_patterns=[_OLD_WEIGHTS])
    except HFValidationError:
        raise UserError(f'preset "{hub_id}" is neither an existing directory nor a hub id (owner/name)') from None
    except RepositoryNotFoundError:
        raise UserError(
            f'preset "{hub_id}": the hub has no such model, or gives it only to those logged in: check the name, '
            "or accept its terms on the hub and set HF_TOKEN"
        ) from None
    except LocalEntryNotFoundError:
        raise UserError(
            f'preset "{hub_id}" is no directory here, and the Hugging Face hub cannot be reached: '
            "go online once, or give the path of a downloaded copy"
        ) from None
    except Exception as error:  # the client's own, of several libraries
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f'preset "{hub_id}" could not be fetched from the Hugging Face hub: {reason}') from None
    return folder
