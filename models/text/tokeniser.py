"""WordPiece tokenisation inside the TensorFlow graph, equal to that of transformers for any BERT checkpoint.

The same few lines of graph run while training (in Transform) and while serving (in the exported model),
so the two cannot differ.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from models.text.tokeniser_files import read_tokeniser_files, write_tokeniser_files
from models.text.vocabulary import learn_wordpieces
from models.text.wordpiece import (
    CLS,
    LONGEST_WORD,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    SYMBOLS,
    UNK,
    VOWEL_ACCENTS,
    VOWELS,
    Accents,
    library_tokeniser,
)
from sazon.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_text as tf_text

# What BERT's reference drops from a text: control, format and private characters, and what was no UTF-8.
_INVISIBLE: Final = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\p{Cf}\p{Co}\x{FFFD}]"
_MARKS: Final = r"\p{Mn}+"
# What ends a word: separators, punctuation, ASCII symbols, ideographs.
_BOUNDARY: Final = (
    r"\s\p{Z}\p{P}$+<=>^`|~\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}"
    r"\x{20000}-\x{2A6DF}\x{2A700}-\x{2CEAF}\x{2F800}-\x{2FA1F}"
)
_LONG_WORD: Final = f"[^ ]{{{LONGEST_WORD + 1},}}"
# Private characters are dropped from texts, so these can stand for what no text may bring in.
_UNKNOWN_MARK: Final = "\ue000"
_CLS_MARK: Final = "\ue001"
_SEP_MARK: Final = "\ue002"


@dataclass(frozen=True)
class Tokeniser:
    """A vocabulary and how texts are brought into its form.

    Attributes:
        vocabulary: WordPiece tokens; a token's place is its id.
        lowercase: texts are lower-cased.
        accents: `keep` leaves them; `strip` removes every mark, so ñ becomes n (BERT uncased); `fold` bares the vowels
            and keeps ñ, and takes emoji for words of their own (our own presets).
    """

    vocabulary: tuple[str, ...]
    lowercase: bool = True
    accents: Accents = "fold"

    @property
    def pad_id(self) -> int:
        """Fills up shorter rows."""
        return self._id(PAD)

    @property
    def unk_id(self) -> int:
        """Stands for a word that has no pieces."""
        return self._id(UNK)

    @property
    def cls_id(self) -> int:
        """First of every row."""
        return self._id(CLS)

    @property
    def sep_id(self) -> int:
        """Last of every row."""
        return self._id(SEP)

    @property
    def mask_id(self) -> int:
        """Hides a token."""
        return self._id(MASK)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides the ids."""
        content = json.dumps([self.vocabulary, self.lowercase, self.accents], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def normalise(self, texts: "tf.Tensor") -> "tf.Tensor":
        """Cleans texts in graph: no control or invisible characters, letters in the form of the vocabulary.

        Args:
            texts: (batch,) string, any bytes.

        Returns:
            (batch,) string, UTF-8.
        """
        import tensorflow as tf
        import tensorflow_text as tf_text

        clean = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        clean = tf.strings.regex_replace(clean, _INVISIBLE, "")
        if self.lowercase:
            # ICU knows that a Σ may end a word, the reference lowers letter by letter.
            clean = tf.strings.lower(tf.strings.regex_replace(clean, "Σ", "σ"), encoding="utf-8")
        if self.accents != "keep":
            clean = tf_text.normalize_utf8(clean, "NFD")
        if self.accents == "strip":
            clean = tf.strings.regex_replace(clean, _MARKS, "")
        if self.accents == "fold":
            clean = tf.strings.regex_replace(clean, f"({VOWELS}){VOWEL_ACCENTS}", r"\1")
            clean = tf_text.normalize_utf8(clean, "NFC")
        return clean

    def tokenise(self, texts: "tf.Tensor", max_tokens: int) -> "tf.RaggedTensor":
        """Turns texts into token ids in graph.

        Args:
            texts: (batch,) string, any bytes.
            max_tokens: longest row, [CLS] and [SEP] counted; longer texts are cut.

        Returns:
            (batch, None) int32, each row [CLS] … [SEP].
        """
        import tensorflow as tf

        boundary = f"[{_BOUNDARY}{SYMBOLS if self.accents == 'fold' else ''}]"
        words = tf.strings.regex_replace(self.normalise(texts), boundary, r" \0 ")
        words = tf.strings.regex_replace(words, _LONG_WORD, _UNKNOWN_MARK)
        # The marks are in the text already: slicing and joining ragged rows costs more than all the rest.
        rows = self._wordpiece.tokenize(tf.strings.join([f"{_CLS_MARK} ", words, f" {_SEP_MARK}"]))
        return _cut(rows, max_tokens, self.sep_id)

    @classmethod
    def learn(cls, texts: Iterable[str], size: int, min_frequency: int = 2) -> Self:
        """Learns the vocabulary of our own presets: lower case, bare vowels.

        Args:
            texts: training texts only, never those of eval or test; read once, never held.
            size: tokens at most, special tokens counted.
            min_frequency: a piece must occur this often.
        """
        words = library_tokeniser(SPECIAL_TOKENS, cls.lowercase, cls.accents)
        return cls(learn_wordpieces(words, texts, size, min_frequency))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads a tokeniser in transformers format.

        Args:
            folder: holds tokenizer.json or vocab.txt; and tokenizer_config.json, without which texts are lower-cased
                and stripped, as transformers does.

        Raises:
            UserError: a file is missing or malformed, or asks for something other than BERT's WordPiece.
        """
        tokeniser = cls(*read_tokeniser_files(folder))
        missing = [token for token in SPECIAL_TOKENS if token not in tokeniser._ids]
        if missing:
            raise UserError(f"{folder}: its vocabulary lacks {', '.join(missing)}, which BERT needs")
        return tokeniser

    def write(self, folder: Path) -> None:
        """Writes vocab.txt, tokenizer.json and tokenizer_config.json, which transformers loads with the same ids."""
        write_tokeniser_files(folder, self.vocabulary, self.lowercase, self.accents)

    @cached_property
    def _wordpiece(self) -> "tf_text.FastWordpieceTokenizer":
        """Made once, outside the graph under way: it takes a second for each 30,000 tokens."""
        import tensorflow as tf
        import tensorflow_text as tf_text

        marks = {CLS: _CLS_MARK, SEP: _SEP_MARK}
        with tf.init_scope():
            return tf_text.FastWordpieceTokenizer(
                [marks.get(token, token) for token in self.vocabulary],
                token_out_type=tf.int32,
                unknown_token=UNK,
                max_bytes_per_word=4 * LONGEST_WORD,
            )

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.vocabulary)}

    def _id(self, token: str) -> int:
        try:
            return self._ids[token]
        except KeyError:
            raise UserError(f"the vocabulary ({len(self.vocabulary)} tokens) lacks {token}, which BERT needs") from None


def _cut(rows: "tf.RaggedTensor", max_tokens: int, sep_id: int) -> "tf.RaggedTensor":
    """Rows of at most `max_tokens`, a cut one closed by [SEP]."""
    import tensorflow as tf

    starts = rows.row_splits[:-1]
    ends = tf.minimum(rows.row_splits[1:], starts + max_tokens)
    closed = tf.tensor_scatter_nd_update(rows.values, ends[:, tf.newaxis] - 1, tf.fill(tf.shape(ends), sep_id))
    kept = tf.raw_ops.RaggedRange(starts=starts, limits=ends, deltas=tf.constant(1, tf.int64))
    values = tf.gather(closed, kept.rt_dense_values)
    return tf.RaggedTensor.from_row_splits(values, kept.rt_nested_splits, validate=False)
