"""Learns a WordPiece vocabulary: the same texts always give the same one, in whatever order they come."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from models.text.wordpiece import LONGEST_WORD, SPECIAL_TOKENS, UNK

_MAX_CHARACTERS: Final = 1000


def learn_wordpieces(tokeniser: Tokenizer, texts: Iterable[str], size: int, min_frequency: int) -> tuple[str, ...]:
    """Learns pieces from texts.

    Args:
        tokeniser: brings texts into the form of the vocabulary and cuts them into words.
        texts: read once; only their distinct words are held.
        size: tokens at most, special tokens counted.
        min_frequency: a piece must occur this often.
    """
    words = _count_words(tokeniser, texts)
    learner = Tokenizer(models.WordPiece(unk_token=UNK))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    characters = _characters(words, min_frequency, limit=min(_MAX_CHARACTERS, size // 4))
    # The library numbers characters in the random order of its hash map, and breaks ties between pieces by number.
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=[*SPECIAL_TOKENS, *characters, *(f"##{character}" for character in characters)],
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        show_progress=False,
    )
    learner.train_from_iterator(_repeated(words), trainer)
    ids = learner.get_vocab()
    return tuple(sorted(ids, key=ids.__getitem__))


def _count_words(tokeniser: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    normalise, split = tokeniser.normalizer.normalize_str, tokeniser.pre_tokenizer.pre_tokenize_str
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in split(normalise(text)) if len(word) <= LONGEST_WORD)
    return words


def _characters(words: Counter[str], min_frequency: int, limit: int) -> list[str]:
    """The most frequent characters, in order of code point."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    frequent = [character for character, count in counts.items() if count >= min_frequency]
    return sorted(sorted(frequent, key=lambda character: (-counts[character], character))[:limit])


def _repeated(words: Counter[str]) -> Iterator[str]:
    """Each word as often as it occurred, in chunks that fit the memory."""
    for word, count in words.items():
        for start in range(0, count, 10_000):
            yield f"{word} " * min(10_000, count - start)
