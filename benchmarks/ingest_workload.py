"""A file of generated feedback rows of any length, streamed: synthetic, and no row says anything about real people."""

import csv
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from sazon.schema import CHANNELS, FEEDBACK_REQUIRED, REGIONS, SENTIMENTS, TASTES

PRODUCTS: Final = ("ceviche", "lomo saltado", "pollo a la brasa", "café", "Inca Kola", "juane", "picarones", "chifles")
DAYS: Final = 550
BAD_SHARE, DUPLICATE_SHARE, NEAR_SHARE, PERSONAL_SHARE = 0.01, 0.01, 0.01, 0.02

_VOCABULARY: Final = """
rico riquísimo sabroso picante salado dulce ácido fresco grasoso crocante cremoso amargo frío caliente caro
barato el la los las un una muy poco bastante nada siempre nunca hoy ayer con sin para por pero aunque porque
cuando ceviche lomo pollo papa ají limón arroz salsa sopa postre bebida porción mesa mozo local cuenta espera
familia volvería recomiendo pedí comimos llegó estaba quedó faltaba sobraba pareció gustó encantó decepcionó
año señora
"""
_WORDS: Final = _VOCABULARY.split()
_START: Final = datetime(2024, 7, 1, tzinfo=UTC)
_BLOCK: Final = 10_000


def make_rows(rows: int, days: int = DAYS, seed: int = 7) -> Iterator[list[str]]:
    """Rows of the contract; of them 1% bad, 1% exact and 1% near duplicates, 2% with personal data."""
    for start in range(0, rows, _BLOCK):
        rng = np.random.default_rng([seed, start])
        yield from itertools.islice(_block(rng, start, days), min(_BLOCK, rows - start))


def _block(rng: np.random.Generator, start: int, days: int) -> Iterator[list[str]]:
    lengths = rng.integers(8, 31, _BLOCK)
    words = rng.integers(0, len(_WORDS), lengths.sum())
    seconds = rng.integers(0, days * 86_400, _BLOCK)
    picks = rng.integers(0, 1 << 30, (_BLOCK, 6))
    fates = rng.random(_BLOCK)
    places = np.concatenate([[0], lengths.cumsum()])
    row: list[str] = []
    for at in range(_BLOCK):
        fate, pick = fates[at], picks[at]
        if row and fate < DUPLICATE_SHARE:
            yield row
            continue
        if row and fate < DUPLICATE_SHARE + NEAR_SHARE:
            row = [f"b{start + at:09d}", row[1], f"{row[2]} !!", *row[3:]]
            yield row
            continue
        text = " ".join(_WORDS[word] for word in words[places[at] : places[at + 1]])
        if fate > 1 - PERSONAL_SHARE:
            text += f", llámenme al 9{pick[0] % 10**8:08d}"
        row = [
            f"b{start + at:09d}",
            (_START + timedelta(seconds=int(seconds[at]))).isoformat().replace("+00:00", "Z"),
            text,
            PRODUCTS[pick[0] % len(PRODUCTS)],
            "plato",
            REGIONS[pick[1] % len(REGIONS)],
            CHANNELS[pick[2] % len(CHANNELS)],
            str(pick[3] % 5 + 1) if pick[3] % 7 else "",
            SENTIMENTS[pick[4] % len(SENTIMENTS)],
            TASTES[pick[5] % len(TASTES)] if pick[5] % 3 else "",
        ]
        if 0.5 < fate < 0.5 + BAD_SHARE:
            yield [*row[:5], "Atlantis", *row[6:]]
        else:
            yield row


def write_csv(path: Path, rows: int, days: int = DAYS) -> Path:
    """Writes the file; the rows are spread over so many days."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(FEEDBACK_REQUIRED)
        writer.writerows(make_rows(rows, days))
    return path
