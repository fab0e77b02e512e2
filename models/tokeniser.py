"""WordPiece: the vocabulary learnt from texts, and the tokenisation inside the TensorFlow graph.

The same few lines of graph run while training (in Transform) and while serving (in the exported model),
so the two cannot differ.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import tensorflow as tf

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS: Final = (PAD, UNK, CLS, SEP, MASK)
PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = range(5)

# People drop accents more often than they set them, so a model trained on few texts sees one form of each word.
# ñ is a letter of its own (año is not ano) and stays.
_FOLDED_ACCENTS: Final = (("[áàäâ]", "a"), ("[éèëê]", "e"), ("[íìïî]", "i"), ("[óòöô]", "o"), ("[úùüû]", "u"))
_WHITESPACE: Final = r"[\t\n\r]"
_INVISIBLE: Final = r"[\p{C}\x{FFFD}]"
_MAX_BYTES_PER_WORD: Final = 400


def normalise(texts: "tf.Tensor") -> "tf.Tensor":
    """Cleans and folds texts in graph.

    Args:
        texts: (batch,) string, any bytes.

    Returns:
        (batch,) string: NFC, no control or invisible characters, lower case, vowels without accents.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    clean = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    clean = tf.strings.regex_replace(clean, _WHITESPACE, " ")
    clean = tf.strings.regex_replace(clean, _INVISIBLE, "")
    clean = tf.strings.lower(tf_text.normalize_utf8(clean, "NFC"), encoding="utf-8")
    for accented, bare in _FOLDED_ACCENTS:
        clean = tf.strings.regex_replace(clean, accented, bare)
    return clean


def tokenise(texts: "tf.Tensor", vocabulary: Sequence[str], max_tokens: int) -> "tf.RaggedTensor":
    """Turns texts into token ids in graph.

    Args:
        texts: (batch,) string.
        vocabulary: WordPiece tokens; the first five are `SPECIAL_TOKENS`.
        max_tokens: longest row, [CLS] and [SEP] counted; longer texts are cut.

    Returns:
        (batch, None) int32, each row [CLS] … [SEP].
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    tokeniser = tf_text.FastBertTokenizer(
        vocab=list(vocabulary),
        token_out_type=tf.int32,
        lower_case_nfd_strip_accents=False,
        max_bytes_per_word=_MAX_BYTES_PER_WORD,
    )
    pieces = tokeniser.tokenize(normalise(texts))[:, : max_tokens - 2]
    rows = tf.fill([pieces.nrows(), 1], 1)
    return tf.concat([rows * CLS_ID, pieces, rows * SEP_ID], axis=1)


def learn_vocabulary(texts: Iterable[str], size: int, min_frequency: int = 2) -> list[str]:
    """Learns a WordPiece vocabulary from training texts, normalised as in `normalise`.

    Args:
        texts: training texts only, never those of eval or test.
        size: tokens at most, special tokens counted.
        min_frequency: a piece must occur this often.
    """
    import tensorflow as tf
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokeniser = Tokenizer(models.WordPiece(unk_token=UNK))
    tokeniser.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=min_frequency, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    normalised = [text.decode() for text in normalise(tf.constant(list(texts))).numpy()]
    tokeniser.train_from_iterator(normalised, trainer)
    ids = tokeniser.get_vocab()
    return sorted(ids, key=ids.__getitem__)
