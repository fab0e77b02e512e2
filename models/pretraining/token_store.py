"""A tokenised corpus on disk: memory holds some 30 bytes a text, however long the texts are."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from models.text.tokeniser import Tokeniser

HELD_OUT_SHARE: Final = 0.02
HELD_OUT_TEXTS: Final = 2000
_PIECE_BITS: Final = 16
_LIMIT: Final = int(HELD_OUT_SHARE * 2**64)
_WHOLE_TEXT: Final = 2**31 - 1
# A row's key is its text's hash with the number of the piece of the text in the lowest bits.
_ROW: Final = np.dtype([("key", np.uint64), ("start", np.int64), ("length", np.int32)])


@dataclass(frozen=True)
class CorpusSize:
    """What was counted: distinct texts, of them held out, duplicates dropped, tokens of distinct texts."""

    texts: int
    held_out: int
    duplicates: int
    tokens: int


class TokenStore:
    """Rows of tokens, each `[CLS] … [SEP]`; long texts are several rows.

    Attributes:
        train: (rows,) int64, numbers of the rows to learn from: each distinct text once.
        held_out: (rows,) int64, those of the texts that only measure.
        size: what the corpus holds.
    """

    def __init__(self, folder: Path) -> None:
        """Opens what `write` made."""
        self._rows: np.ndarray = np.memmap(folder / "rows.bin", _ROW, mode="r")
        self._tokens: np.ndarray = np.memmap(folder / "tokens.bin", np.int32, mode="r")
        self.train: np.ndarray = np.load(folder / "train.npy", mmap_mode="r")
        self.held_out: np.ndarray = np.load(folder / "held_out.npy", mmap_mode="r")
        self.size = CorpusSize(**json.loads((folder / "size.json").read_text(encoding="utf-8")))

    @classmethod
    def write(cls, folder: Path, texts: Iterable[list[str]], tokeniser: Tokeniser, max_tokens: int) -> Self | None:
        """Tokenises texts and opens the result.

        Args:
            folder: exists.
            texts: batches of them.
            tokeniser: gives the ids.
            max_tokens: longest row, [CLS] and [SEP] counted.

        Returns:
            None where no text has a token.
        """
        start = 0
        with (folder / "rows.bin").open("wb") as rows_file, (folder / "tokens.bin").open("wb") as tokens_file:
            for keys, tokens in _tokenised(texts, tokeniser, max_tokens):
                rows = np.zeros(len(keys), _ROW)
                rows["key"], rows["length"] = keys, [len(row) for row in tokens]
                rows["start"] = start + np.cumsum(rows["length"]) - rows["length"]
                start += int(rows["length"].sum())
                rows.tofile(rows_file)
                np.concatenate(tokens).tofile(tokens_file)
        if not start:
            return None
        _index(folder)
        return cls(folder)

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """(rows,) int32, tokens of some rows."""
        return self._rows["length"][rows]

    def tokens(self, row: int) -> np.ndarray:
        """(length,) int32."""
        start = int(self._rows["start"][row])
        return self._tokens[start : start + int(self._rows["length"][row])]


def is_held_out(text: str) -> bool:
    """Whether a text only measures, as far as the text alone decides it."""
    return _hash(text) < _LIMIT


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _tokenised(
    texts: Iterable[list[str]], tokeniser: Tokeniser, max_tokens: int
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Keys and tokens of the rows of each batch."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def tokenise(batch: tf.Tensor) -> tf.RaggedTensor:
        return tokeniser.tokenise(batch, _WHOLE_TEXT)

    inner = max_tokens - 2
    first, last = np.array([tokeniser.cls_id], np.int32), np.array([tokeniser.sep_id], np.int32)
    for batch in texts:
        ragged = tokenise(tf.constant(batch))
        keys, rows = [], []
        for text, ids in zip(batch, np.split(ragged.flat_values.numpy(), ragged.row_splits.numpy()[1:-1]), strict=True):
            key = _hash(text) >> _PIECE_BITS << _PIECE_BITS
            for piece, start in enumerate(range(1, len(ids) - 1, inner)):
                keys.append(key | min(piece, 2**_PIECE_BITS - 1))
                rows.append(np.concatenate([first, ids[start : min(start + inner, len(ids) - 1)], last]))
        if rows:
            yield keys, rows


def _index(folder: Path) -> None:
    """Finds the first row of each key and which rows are held out: those of the smallest hashes."""
    rows = np.memmap(folder / "rows.bin", _ROW, mode="r")
    keys, firsts = np.unique(rows["key"], return_index=True)
    whole = keys % 2**_PIECE_BITS == 0
    texts = int(whole.sum())
    wanted = min(max(int((keys[whole] < _LIMIT).sum()), 1), HELD_OUT_TEXTS)
    cut = int(np.flatnonzero(whole)[wanted]) if wanted < texts else len(keys)
    # A corpus of one text has nothing to hold out: it measures itself.
    held_out, train = np.sort(firsts[:cut]), np.sort(firsts[cut:] if wanted < texts else firsts)
    duplicates = int((rows["key"] % 2**_PIECE_BITS == 0).sum()) - texts
    size = CorpusSize(texts, wanted, duplicates, int(rows["length"][firsts].sum()))
    np.save(folder / "held_out.npy", held_out)
    np.save(folder / "train.npy", train)
    (folder / "size.json").write_text(json.dumps(asdict(size)), encoding="utf-8")
