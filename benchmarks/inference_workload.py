"""What both sides of the inference benchmark answer: vocabulary, texts, and how it is timed. Needs numpy alone."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BATCH = 32
LONGEST = 64  # tokens
_TEXTS = 1024
_LETTERS = "abcdefghijklmnñopqrstuvwxyz"
_SYLLABLES = [first + vowel for first in (*"bcdfghjlmnprstvyñ", "ch", "ll", "qu", "tr", "br") for vowel in "aeiouáéíó"]

Answer = Callable[[Sequence[str]], object]
Times = dict[str, list[float]]


def make_vocabulary(size: int) -> tuple[str, ...]:
    """WordPiece tokens: the special ones, letters, and words of one to four syllables."""
    rng = np.random.default_rng(0)
    tokens = dict.fromkeys([*SPECIAL, *_LETTERS, "á", "é", "í", "ó", "ú", *(f"##{letter}" for letter in _LETTERS)])
    while len(tokens) < size:
        tokens["".join(rng.choice(_SYLLABLES, rng.integers(1, 5)))] = None
    return tuple(tokens)


def make_texts(vocabulary: Sequence[str]) -> list[str]:
    """Texts of about 20 tokens, log-normal, 64 at most."""
    rng = np.random.default_rng(1)
    words = [token for token in vocabulary[len(SPECIAL) :] if not token.startswith("##")]
    lengths = np.clip(rng.lognormal(np.log(17), 0.55, _TEXTS), 1, LONGEST - 2).astype(int)
    return [" ".join(rng.choice(words, length)) for length in lengths]


def time_answers(answer: Answer, texts: Sequence[str], singles: int, batches: int) -> Times:
    """Seconds of each call, one text at a time and `BATCH` at a time, after a warm-up."""
    ones = [[text] for text in texts[:singles]]
    many = [texts[start : start + BATCH] for start in range(0, batches * BATCH, BATCH)]
    for some in (*ones[:10], *many[:2]):
        answer(some)
    return {"single_s": [_time(answer, some) for some in ones], "batch_s": [_time(answer, some) for some in many]}


def _time(answer: Answer, texts: Sequence[str]) -> float:
    started_s = time.perf_counter()
    answer(texts)
    return time.perf_counter() - started_s


def read_texts(folder: Path) -> list[str]:
    """The workload's texts, as the benchmark keeps them beside the models."""
    return json.loads((folder / "texts.json").read_text(encoding="utf-8"))
