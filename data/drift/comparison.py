"""The verdict: every measure tested, the false-alarm rate of the whole report kept, trifles passed over."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data.drift.measures import EMBEDDING, NEW_WORD, UNKNOWN, kind_of, measure
from data.drift.two_sample import METHODS, TESTS, Counts, compare_embeddings, compare_words, holm
from data.drift.windows import count_synthetic
from data.drift.words import Words
from sazon.errors import UserError
from sazon.settings import DriftSettings

_SEED: Final = 0
MOST_EMBEDDED: Final = (4_000, 1_000)
"""Rows of the training and the live window whose embeddings are compared; more would decide nothing else."""


@dataclass(frozen=True)
class Finding:
    """One test. `adjusted_p` is Holm's over all tests of the report; `subject`, the word that it is about."""

    name: str
    method: str
    reference_rows: int
    live_rows: int
    p_value: float
    adjusted_p: float
    effect: float
    drifted: bool
    levels: tuple[str | float | int | bool, ...]
    reference_shares: tuple[float, ...]
    live_shares: tuple[float, ...]
    subject: str = ""


@dataclass(frozen=True)
class Comparison:
    """A report: `alpha` is the share of false alarms of one look."""

    reference_rows: int
    live_rows: int
    synthetic_rows: int
    alpha: float
    min_effect: float
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...]

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """What breached, the strongest first."""
        return tuple(sorted((one for one in self.findings if one.drifted), key=lambda one: one.adjusted_p))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"drift": bool(self.drifted), **asdict(self)}


@dataclass(frozen=True)
class _Tested:
    name: str
    method: str
    rows: tuple[int, int]
    p_value: float
    effect: float
    levels: tuple[Any, ...] = ()
    counts: tuple[Counts, Counts] | None = None
    subject: str = ""


def look_alpha(settings: DriftSettings) -> float:
    """False-alarm rate of one look, so that all daily looks of a period together keep the one that is set.

    Bonferroni: windows of neighbouring days share most of their rows, and it holds however looks depend.
    """
    return settings.false_alarm_rate / settings.period_days


def compare(reference: pl.DataFrame, live: pl.DataFrame, settings: DriftSettings) -> Comparison:
    """Compares two windows.

    Args:
        reference: what was trained on, as `data.drift.windows` gives it.
        live: likewise, what came since.
        settings: rates and bounds.

    Raises:
        UserError: a window has too few rows.
    """
    _check_rows(reference, live, settings.min_rows)
    alpha = look_alpha(settings)
    teaches = np.random.default_rng(_SEED).permutation(len(reference)) < len(reference) // 2
    words = Words(reference.filter(teaches)["text"].to_list())
    before, after = measure(reference, words), measure(live, words)
    for name in (UNKNOWN, NEW_WORD):
        before[name] = pl.select(pl.when(~pl.Series(teaches)).then(before[name])).to_series()
    names = [name for name in before if name in after]
    enough = [name for name in names if _rows(before[name], after[name]) >= settings.min_rows]
    skipped = [f"{name}: fewer than {settings.min_rows} rows have it" for name in names if name not in enough]
    tested = [(_test_words if name == NEW_WORD else _test_counts)(name, before[name], after[name]) for name in enough]
    least_p = alpha / (len(enough) + 1)
    tested.append(_test_texts(words, reference.filter(~teaches), live, least_p))
    return Comparison(
        len(reference),
        len(live),
        count_synthetic(reference) + count_synthetic(live),
        alpha,
        settings.min_effect,
        tuple(_judge(tested, alpha, settings.min_effect)),
        tuple(skipped),
    )


def breaches(
    p_values: NDArray[np.float64], effects: NDArray[np.float64], alpha: float, min_effect: float
) -> NDArray[np.bool_]:
    """Which tests breach; the last axis are the tests of one look."""
    return (holm(p_values) <= alpha) & (effects >= min_effect)


def _check_rows(reference: pl.DataFrame, live: pl.DataFrame, least: int) -> None:
    for name, rows, want in (("training window", reference, 2 * least), ("live window", live, least)):
        if len(rows) < want:
            raise UserError(
                f"{name}: {len(rows)} rows (want {want} or more; setting drift.min_rows, or a longer window)"
            )


def _rows(before: pl.Series, after: pl.Series) -> int:
    return min(before.count(), after.count())


def _test_counts(name: str, before: pl.Series, after: pl.Series) -> _Tested:
    before, after = before.drop_nulls(), after.drop_nulls()
    kind = kind_of(name)
    levels = [False, True] if kind == "share" else pl.concat([before, after]).unique().sort().to_list()
    counts = _count(before, levels), _count(after, levels)
    p_value, effect = TESTS[kind](*counts)
    return _Tested(name, METHODS[kind], (len(before), len(after)), float(p_value), float(effect), tuple(levels), counts)


def _test_words(name: str, before: pl.Series, after: pl.Series) -> _Tested:
    before, after = before.drop_nulls(), after.drop_nulls()
    words = sorted(set(before.explode().drop_nulls()) | set(after.explode().drop_nulls())) or [""]
    counts = _count(before.explode(), words), _count(after.explode(), words)
    rows = len(before), len(after)
    p_value, effect, top = compare_words(*counts, reference_rows=rows[0], live_rows=np.array(rows[1]))
    hold = [np.array([total - one[top], one[top]]) for total, one in zip(rows, counts, strict=True)]
    return _Tested(
        name, METHODS["word"], rows, float(p_value), float(effect), (False, True), (hold[0], hold[1]), words[int(top)]
    )


def _count(values: pl.Series, levels: Sequence[Any]) -> Counts:
    found = dict(zip(*values.value_counts().get_columns(), strict=True))
    return np.array([found.get(level, 0) for level in levels], np.int64)


def _test_texts(words: Words, reference: pl.DataFrame, live: pl.DataFrame, least_p: float) -> _Tested:
    rng = np.random.default_rng(_SEED)
    before, after = (
        words.embed(rows["text"].gather(rng.permutation(len(rows))[:most]).to_list())
        for rows, most in zip((reference, live), MOST_EMBEDDED, strict=True)
    )
    p_value, effect = compare_embeddings(before, after, least_p, rng)
    return _Tested(EMBEDDING, METHODS["embedding"], (len(before), len(after)), p_value, effect)


def _judge(tested: list[_Tested], alpha: float, min_effect: float) -> list[Finding]:
    p_values, effects = (np.array([getattr(one, name) for one in tested]) for name in ("p_value", "effect"))
    adjusted, drifted = holm(p_values), breaches(p_values, effects, alpha, min_effect)
    return [_find(one, float(adjusted[place]), bool(drifted[place])) for place, one in enumerate(tested)]


def _find(one: _Tested, adjusted_p: float, drifted: bool) -> Finding:
    before, after = (_shares(counts) for counts in one.counts) if one.counts else ((), ())
    return Finding(
        name=one.name,
        method=one.method,
        reference_rows=one.rows[0],
        live_rows=one.rows[1],
        p_value=one.p_value,
        adjusted_p=adjusted_p,
        effect=one.effect,
        drifted=drifted,
        levels=one.levels,
        reference_shares=before,
        live_shares=after,
        subject=one.subject,
    )


def _shares(counts: Counts) -> tuple[float, ...]:
    return tuple((counts / max(1, int(counts.sum()))).tolist())
