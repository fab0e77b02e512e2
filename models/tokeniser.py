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
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from sazon.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf
    from tokenizers import Tokenizer

Accents: TypeAlias = Literal["keep", "strip", "fold"]

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS: Final = (PAD, UNK, CLS, SEP, MASK)
PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = range(5)

VOCABULARY_FILE: Final = "vocab.txt"
TOKENISER_FILE: Final = "tokenizer.json"
CONFIG_FILE: Final = "tokenizer_config.json"

# What BERT's reference drops from a text: control, format and private characters, and what was no UTF-8.
_INVISIBLE: Final = r"[\p{C}\x{FFFD}]"
_WHITESPACE: Final = r"[\t\n\r]"
_MARKS: Final = r"\p{Mn}+"
# People drop accents more often than they set them, so a model trained on few texts sees one form of each word.
# ñ is a letter of its own (año is not ano) and stays.
_VOWELS: Final = "aeiouAEIOU"
_VOWEL_ACCENTS: Final = "\u0300\u0301\u0302\u0308"
# The reference gives up on longer words; no vocabulary holds a private character, so it stands for the unknown.
_LONG_WORD: Final = r"[^\s\p{Z}\p{P}$+<=>^`|~]{101,}"
_UNKNOWN_CHARACTER: Final = "\ue000"
_MAX_BYTES_PER_WORD: Final = 400


@dataclass(frozen=True)
class Tokeniser:
    """A vocabulary and how texts are brought into its form.

    Attributes:
        vocabulary: WordPiece tokens; a token's place is its id.
        lowercase: texts are lower-cased.
        accents: `keep` leaves them; `strip` removes every mark, so ñ becomes n (BERT uncased); `fold` bares the vowels
            and keeps ñ (our own presets).
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
        clean = tf.strings.regex_replace(clean, _WHITESPACE, " ")
        clean = tf.strings.regex_replace(clean, _INVISIBLE, "")
        if self.accents != "keep":
            clean = tf_text.normalize_utf8(clean, "NFD")
        if self.accents == "strip":
            clean = tf.strings.regex_replace(clean, _MARKS, "")
        if self.accents == "fold":
            clean = tf.strings.regex_replace(clean, f"([{_VOWELS}])[{_VOWEL_ACCENTS}]+", r"\1")
            clean = tf_text.normalize_utf8(clean, "NFC")
        if self.lowercase:
            # ICU knows that a Σ ends a word, the reference lowers letter by letter.
            clean = tf.strings.lower(tf.strings.regex_replace(clean, "Σ", "σ"), encoding="utf-8")
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
        import tensorflow_text as tf_text

        wordpiece = tf_text.FastBertTokenizer(
            vocab=list(self.vocabulary),
            token_out_type=tf.int32,
            unknown_token=UNK,
            max_bytes_per_word=_MAX_BYTES_PER_WORD,
        )
        words = tf.strings.regex_replace(self.normalise(texts), _LONG_WORD, _UNKNOWN_CHARACTER)
        pieces = wordpiece.tokenize(words)[:, : max_tokens - 2]
        rows = tf.fill([pieces.nrows(), 1], 1)
        return tf.concat([rows * self.cls_id, pieces, rows * self.sep_id], axis=1)

    @classmethod
    def learn(cls, texts: Iterable[str], size: int, min_frequency: int = 2) -> Self:
        """Learns the vocabulary of our own presets: lower case, bare vowels.

        Args:
            texts: training texts only, never those of eval or test; read once, never held.
            size: tokens at most, special tokens counted.
            min_frequency: a piece must occur this often.
        """
        from tokenizers import trainers

        blank = cls(SPECIAL_TOKENS)
        learner = blank.reference()
        trainer = trainers.WordPieceTrainer(
            vocab_size=size, min_frequency=min_frequency, special_tokens=list(SPECIAL_TOKENS), show_progress=False
        )
        learner.train_from_iterator(texts, trainer)
        return cls(_in_order(learner.get_vocab()))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads a tokeniser in transformers format.

        Args:
            folder: holds tokenizer.json or vocab.txt, and tokenizer_config.json.

        Raises:
            UserError: a file is missing or malformed, or asks for something other than BERT's WordPiece.
        """
        described = _read_json(folder / TOKENISER_FILE)
        config = _read_json(folder / CONFIG_FILE)
        lowercase = bool(config.get("do_lower_case", True))
        strip = config.get("strip_accents")
        accents: Accents = "strip" if (lowercase if strip is None else strip) else "keep"
        if described and described.get("normalizer") == json.loads(_normalizer(True, "fold").__getstate__()):
            lowercase, accents = True, "fold"
        if described:
            vocabulary = _in_order(described["model"]["vocab"])
        else:
            with (folder / VOCABULARY_FILE).open(encoding="utf-8") as lines:
                vocabulary = tuple(line.rstrip("\n") for line in lines)
        return cls(vocabulary, lowercase, accents)

    def write(self, folder: Path) -> None:
        """Writes vocab.txt, tokenizer.json and tokenizer_config.json, which transformers loads with the same ids."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / VOCABULARY_FILE).write_text("".join(f"{token}\n" for token in self.vocabulary), encoding="utf-8")
        self.reference().save(str(folder / TOKENISER_FILE))
        config = {
            # transformers' BertTokenizer knows no folding: it would make its own normaliser.
            "tokenizer_class": "PreTrainedTokenizerFast" if self.accents == "fold" else "BertTokenizer",
            "do_lower_case": self.lowercase,
            "strip_accents": self.accents == "strip",
            "pad_token": PAD,
            "unk_token": UNK,
            "cls_token": CLS,
            "sep_token": SEP,
            "mask_token": MASK,
        }
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def reference(self) -> "Tokenizer":
        """The same tokeniser in Hugging Face's `tokenizers` library."""
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

        ids = {token: index for index, token in enumerate(self.vocabulary)}
        reference = Tokenizer(models.WordPiece(ids, unk_token=UNK, max_input_chars_per_word=100))
        reference.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
        reference.normalizer = _normalizer(self.lowercase, self.accents)
        reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        reference.post_processor = processors.BertProcessing((SEP, self.sep_id), (CLS, self.cls_id))
        reference.decoder = decoders.WordPiece()
        return reference

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.vocabulary)}

    def _id(self, token: str) -> int:
        try:
            return self._ids[token]
        except KeyError:
            raise UserError(f"the vocabulary ({len(self.vocabulary)} tokens) lacks {token}, which BERT needs") from None


def _normalizer(lowercase: bool, accents: Accents) -> Any:
    """`Tokeniser.normalise` in the terms of the `tokenizers` library."""
    from tokenizers import Regex, normalizers

    if accents != "fold":
        return normalizers.BertNormalizer(lowercase=lowercase, strip_accents=accents == "strip")
    steps = [
        normalizers.BertNormalizer(lowercase=False, strip_accents=False),
        normalizers.NFD(),
        normalizers.Replace(Regex(f"(?<=[{_VOWELS}])[{_VOWEL_ACCENTS}]+"), ""),
        normalizers.NFC(),
    ]
    return normalizers.Sequence([*steps, normalizers.Lowercase()] if lowercase else steps)


def _in_order(ids: dict[str, int]) -> tuple[str, ...]:
    return tuple(sorted(ids, key=ids.__getitem__))


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def tokenise(texts: "tf.Tensor", vocabulary: Iterable[str], max_tokens: int) -> "tf.RaggedTensor":
    """Deprecated: `Tokeniser.tokenise`."""
    return Tokeniser(tuple(vocabulary)).tokenise(texts, max_tokens)


def learn_vocabulary(texts: Iterable[str], size: int, min_frequency: int = 2) -> list[str]:
    """Deprecated: `Tokeniser.learn`."""
    return list(Tokeniser.learn(texts, size, min_frequency).vocabulary)
