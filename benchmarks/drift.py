"""False alarms and delays of `sazon drift` on simulated streams: `python -m benchmarks.drift [--streams 100]`.

Days are drawn from the sample's own rows; each day ends with a look at the last 14. Streams without a change tell the
false-alarm rate, those with a planted change how many are found and how soon.
"""

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.drift_streams import RAMP_DAYS, ROWS_A_DAY, Looks, Pool, Weights, draw_days, look
from benchmarks.report import RESULTS, describe_machine, keep, table
from data.drift.comparison import breaches, look_alpha
from sazon.settings import DriftSettings

_SAMPLE: Final = Path(__file__).parent.parent / "data" / "feedback.csv"
_FOLLOWED_DAYS: Final = 56
_QUIET_TIMES: Final = 4
"""Streams without a change for each one with one: their rate is small, its interval shall be."""


def main() -> None:
    """Prints the tables and keeps them, with a plot, as `drift.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="of each change; four times as many without one")
    streams = parser.parse_args().streams
    started = time.perf_counter()
    settings, pool = DriftSettings(), Pool(_SAMPLE)
    alarms = measure_alarms(pool, settings, _QUIET_TIMES * streams)
    delays = {
        (pool.share(name), course): measure_delays(pool, weights, course, settings, streams)
        for name, weights in pool.shifts.items()
        for course in ("sudden", "gradual")
    }
    text = _describe(alarms, delays, settings, streams)
    print(text)
    _plot(delays, RESULTS / "drift.png")
    figures = {
        "machine": describe_machine("numpy", "scipy", "scikit-learn"),
        "seconds": round(time.perf_counter() - started, 1),
        "settings": settings.model_dump(),
        "alarms": alarms,
        "delays": [{"change": name, "course": course, **found} for (name, course), found in delays.items()],
    }
    keep("drift", text, figures)


def measure_alarms(pool: Pool, settings: DriftSettings, streams: int) -> dict[str, dict[str, float]]:
    """Share of streams without a change that raise an alarm within a period, by which corrections are made."""
    ways: dict[str, list[bool]] = {"as shipped": [], "Holm, but 5% each day": [], "each test at 5% each day": []}
    days = settings.period_days + settings.window_days - 1
    for seed in range(streams):
        rng = np.random.default_rng([0, seed])
        drawn = draw_days(pool, pool.unchanged, np.zeros(days), rng)
        looks = look(pool, drawn, settings, rng, first=False)
        rate, least = settings.false_alarm_rate, settings.min_effect
        ways["as shipped"].append(_alarms(looks, look_alpha(settings), least).any())
        ways["Holm, but 5% each day"].append(_alarms(looks, rate, least).any())
        ways["each test at 5% each day"].append(((looks.p_values <= rate) & (looks.effects >= least)).any())
    return {name: _rate(found) for name, found in ways.items()}


def measure_delays(pool: Pool, changed: Weights, course: str, settings: DriftSettings, streams: int) -> dict[str, Any]:
    """Days from a change to its alarm, None where there was none, and what raised it."""
    since = np.arange(1, _FOLLOWED_DAYS + 1)
    rising = np.ones(_FOLLOWED_DAYS) if course == "sudden" else np.minimum(1.0, since / RAMP_DAYS)
    mixes = np.concatenate([np.zeros(settings.window_days - 1), rising])
    days: list[int | None] = []
    raised: Counter[str] = Counter()
    for seed in range(streams):
        rng = np.random.default_rng([1, seed])
        looks = look(pool, draw_days(pool, changed, mixes, rng), settings, rng, first=True)
        alarms = _alarms(looks, look_alpha(settings), settings.min_effect)
        first = int(alarms.any(-1).argmax())
        days.append(first + 1 if alarms.any() else None)
        if alarms.any():
            raised[looks.names[int(np.where(alarms[first], looks.p_values[first], 2).argmin())]] += 1
    return {"days": days, "raised_by": dict(raised.most_common())}


def _alarms(looks: Looks, alpha: float, min_effect: float) -> NDArray[np.bool_]:
    return breaches(looks.p_values, looks.effects, alpha, min_effect)


def _rate(found: list[bool]) -> dict[str, float]:
    """With the exact interval of Clopper and Pearson."""
    hits = int(np.sum(found))
    interval = stats.binomtest(hits, len(found)).proportion_ci(0.95, "exact")
    return {
        "streams": len(found),
        "alarmed": hits,
        "rate": hits / len(found),
        "low": interval.low,
        "high": interval.high,
    }


def _describe(
    alarms: dict[str, dict[str, float]],
    delays: dict[tuple[str, str], dict[str, Any]],
    settings: DriftSettings,
    streams: int,
) -> str:
    quiet = [
        [name, f"{one['alarmed']}/{one['streams']}", f"{one['rate']:.1%}", f"{one['low']:.1%} – {one['high']:.1%}"]
        for name, one in alarms.items()
    ]
    changes = [_row(name, course, found) for (name, course), found in delays.items()]
    return "\n\n".join(
        [
            f"Streams without a change, {settings.period_days} daily looks each (set: at most "
            f"{settings.false_alarm_rate:.0%} of streams with an alarm):",
            table(["corrections", "streams with an alarm", "rate", "95% interval"], quiet),
            f"Planted changes, {streams} streams each, {_FOLLOWED_DAYS} days followed; gradual: over {RAMP_DAYS} days:",
            table(["change", "course", "found", "median days", "90% within days", "raised by"], changes),
            f"About {ROWS_A_DAY} rows a day, drawn from half of the synthetic sample; window {settings.window_days} "
            "days; a training window of 4,000 rows from the same half. The other half taught vocabulary and embedding.",
        ]
    )


def _row(name: str, course: str, found: dict[str, Any]) -> list[str]:
    days = np.array([np.inf if day is None else day for day in found["days"]])
    shown = [
        f"{day:.0f}" if np.isfinite(day := np.quantile(days, share, method="higher")) else "–" for share in (0.5, 0.9)
    ]
    raised = ", ".join(f"{test} {count}" for test, count in list(found["raised_by"].items())[:3])
    return [name, course, f"{np.isfinite(days).mean():.0%}", *shown, raised]


def _plot(delays: dict[tuple[str, str], dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True, layout="constrained")
    since = np.arange(1, _FOLLOWED_DAYS + 1)
    for panel, course in zip(axes, ("sudden", "gradual"), strict=True):
        for (name, other), found in delays.items():
            if other == course:
                days = np.array([np.inf if day is None else day for day in found["days"]])
                panel.step(since, [(days <= day).mean() for day in since], where="post", label=name)
        panel.set(title=f"{course} change", xlabel="days since it began", ylim=(0, 1.02))
    axes[0].set_ylabel("share of streams with an alarm")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    RESULTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
