"""BERT's WordPiece in the terms of Hugging Face's `tokenizers` library: what our graph must equal."""

from typing import Any, Final, Literal, TypeAlias

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

Accents: TypeAlias = Literal["keep", "strip", "fold"]

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS: Final = (PAD, UNK, CLS, SEP, MASK)
LONGEST_WORD: Final = 100

# People drop accents more often than they set them, so a model trained on few texts sees one form of each word.
# ñ is a letter of its own (año is not ano) and stays.
VOWELS: Final = "[aeiouAEIOU]"
# In BERT's own rules an emoji is part of the word that it follows, and makes all of it unknown.
SYMBOLS: Final = r"\p{So}"
VOWEL_ACCENTS: Final = "[\u0300\u0301\u0302\u0308]+"


def library_tokeniser(vocabulary: tuple[str, ...], lowercase: bool, accents: Accents) -> Tokenizer:
    """The library's tokeniser.

    Args:
        vocabulary: holds `SPECIAL_TOKENS`, at any place.
        lowercase: texts are lower-cased.
        accents: as `models.text.tokeniser.Tokeniser` says.
    """
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokeniser = Tokenizer(models.WordPiece(ids, unk_token=UNK, max_input_chars_per_word=LONGEST_WORD))
    tokeniser.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokeniser.normalizer = normalizer(lowercase, accents)
    tokeniser.pre_tokenizer = pre_tokenizer(accents)
    tokeniser.post_processor = processors.BertProcessing((SEP, ids[SEP]), (CLS, ids[CLS]))
    tokeniser.decoder = decoders.WordPiece()
    return tokeniser


def normalizer(lowercase: bool, accents: Accents) -> Any:
    """Brings texts into the form of the vocabulary."""
    if accents != "fold":
        return normalizers.BertNormalizer(lowercase=lowercase, strip_accents=accents == "strip")
    steps = [
        normalizers.BertNormalizer(lowercase=False, strip_accents=False),
        *([normalizers.Lowercase()] if lowercase else []),
        normalizers.NFD(),
        normalizers.Replace(Regex(f"(?<={VOWELS}){VOWEL_ACCENTS}"), ""),
        normalizers.NFC(),
    ]
    return normalizers.Sequence(steps)


def pre_tokenizer(accents: Accents) -> Any:
    """Cuts texts into words."""
    words = pre_tokenizers.BertPreTokenizer()
    if accents != "fold":
        return words
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SYMBOLS), "isolated"), words])
