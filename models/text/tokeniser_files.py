"""A tokeniser's files in transformers format."""

import json
from pathlib import Path
from typing import Any, Final

from models.text.wordpiece import CLS, MASK, PAD, SEP, UNK, Accents, library_tokeniser, normalizer
from sazon.errors import UserError

VOCABULARY_FILE: Final = "vocab.txt"
TOKENISER_FILE: Final = "tokenizer.json"
CONFIG_FILE: Final = "tokenizer_config.json"
# Classes of transformers that take tokenizer.json as it is; BertTokenizer makes its own normaliser from the config.
_GENERIC_CLASSES: Final = ("PreTrainedTokenizerFast", "TokenizersBackend")


def read_tokeniser_files(folder: Path) -> tuple[tuple[str, ...], bool, Accents]:
    """Reads the vocabulary, whether texts are lower-cased, and what becomes of accents.

    Raises:
        UserError: a file is missing or malformed, or asks for something other than BERT's WordPiece.
    """
    described, config = _read_json(folder / TOKENISER_FILE), _read_json(folder / CONFIG_FILE)
    if not described and not (folder / VOCABULARY_FILE).is_file():
        raise UserError(f"{folder} has no tokeniser: neither {TOKENISER_FILE} nor {VOCABULARY_FILE}")
    try:
        vocabulary = _described_vocabulary(described) if described else _listed_vocabulary(folder / VOCABULARY_FILE)
        form = described["normalizer"] if config.get("tokenizer_class") in _GENERIC_CLASSES else config
        lowercase, accents = _form(form)
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise UserError(
            f"{folder}: its tokeniser is not BERT's WordPiece ({reason}): choose a BERT checkpoint"
        ) from None
    return vocabulary, lowercase, accents


def write_tokeniser_files(folder: Path, vocabulary: tuple[str, ...], lowercase: bool, accents: Accents) -> None:
    """Writes what transformers, old and new, loads with the same ids."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / VOCABULARY_FILE).write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    library_tokeniser(vocabulary, lowercase, accents).save(str(folder / TOKENISER_FILE))
    config = {
        "tokenizer_class": _GENERIC_CLASSES[0] if accents == "fold" else "BertTokenizer",
        "do_lower_case": lowercase,
        "strip_accents": accents == "strip",
        "pad_token": PAD,
        "unk_token": UNK,
        "cls_token": CLS,
        "sep_token": SEP,
        "mask_token": MASK,
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _listed_vocabulary(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8") as lines:
        return _distinct([line.rstrip("\n") for line in lines])


def _described_vocabulary(described: dict[str, Any]) -> tuple[str, ...]:
    model = described["model"]
    if model.get("type", "WordPiece") != "WordPiece" or model.get("continuing_subword_prefix", "##") != "##":
        raise ValueError(f"{TOKENISER_FILE} describes {model.get('type')}")
    ids: dict[str, int] = dict(model["vocab"])
    for token in described.get("added_tokens", []):
        if ids.setdefault(token["content"], token["id"]) != token["id"] or not token.get("special"):
            raise ValueError(f"{TOKENISER_FILE} adds {token['content']!r}, matched before WordPiece")
    if sorted(ids.values()) != list(range(len(ids))):
        raise ValueError(f"{TOKENISER_FILE} numbers its tokens with gaps")
    return _distinct(sorted(ids, key=ids.__getitem__))


def _distinct(tokens: list[str]) -> tuple[str, ...]:
    """A token that stands twice has its last id, as in transformers; the other place keeps its number."""
    last = {token: index for index, token in enumerate(tokens)}
    return tuple(token if last[token] == index else f"[double{index}]" for index, token in enumerate(tokens))


def _form(said: dict[str, Any]) -> tuple[bool, Accents]:
    """What a normaliser in tokenizer.json, or the config of a BertTokenizer, asks for."""
    for lowercase in (True, False):
        if said == json.loads(normalizer(lowercase, "fold").__getstate__()):
            return lowercase, "fold"
    if said.get("type", "BertNormalizer") != "BertNormalizer":
        raise ValueError(f"its normaliser is a {said['type']}")
    if not (said.get("handle_chinese_chars", True) and said.get("tokenize_chinese_chars", True)):
        raise ValueError("it leaves Chinese characters together")
    lowercase = bool(said.get("do_lower_case", said.get("lowercase", True)))
    strip = said.get("strip_accents")
    return lowercase, "strip" if (lowercase if strip is None else strip) else "keep"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is no object in JSON")
    return content
