"""Half an hour at 70% of the peak: errors, and memory of gateway and model server over time.

Where other machines on the same host take much of the processor, 70% of the peak is more than that of what is left:
refusals of such moments are told apart from those of the rest, but count all the same.

`python -m benchmarks.soak [--model DIR] [--minutes 30] [--workers N] [--quick]`
"""

import argparse
import sys
import time
from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.overload import REFUSALS, find_peak
from benchmarks.report import RESULTS, describe_machine, keep, run_script, table
from benchmarks.serve_stack import ServedModel, find_model, sample_texts, serve_model
from benchmarks.serve_traffic import Answers, Load, begin

SHARE: Final = 0.7
ALLOWED_GROWTH: Final = 0.03
SETTLED: Final = 1 / 3
"""Of the time, before which memory may still grow."""
CROWDED: Final = 20.0
"""Percent of the processor's time that others took: of what is left, 70% of the peak is 88% and more."""

_NO_SERVERS: Final = ("seconds", "stolen")
Memory = dict[str, list[float]]
"""MB by name of the server, `seconds`, and `stolen`: percent of the processor's time that other machines took."""


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a SavedModel; else the newest that is served from the state")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=1, help="processes of the gateway")
    parser.add_argument("--quick", action="store_true", help="half a minute; nothing kept")
    chosen = parser.parse_args()
    seconds, every_s = (30.0, 1.0) if chosen.quick else (chosen.minutes * 60, 10.0)
    texts = sample_texts()
    with serve_model(find_model(chosen.model), chosen.workers) as served:
        peak_per_s = max(row["per_s"] for row in find_peak(served, texts, 2.0 if chosen.quick else 6.0)[1])
        load = Load(texts, seconds, served.gateway, per_s=SHARE * peak_per_s)
        answers, memory = _soak(served, load, every_s)
    figures = _figures(answers, memory, peak_per_s, load)
    text = _text(figures)
    print(text)
    if not chosen.quick:
        keep("soak", text, figures)
        _plot(answers, memory, RESULTS / "soak.png")


def _soak(served: ServedModel, load: Load, every_s: float) -> tuple[Answers, Memory]:
    running = begin(load)
    memory: Memory = {name: [] for name in (*_NO_SERVERS, *served.pids)}
    psutil.cpu_times_percent()
    while (passed_s := time.monotonic() - running.began_s) < load.seconds:
        memory["seconds"].append(passed_s)
        memory["stolen"].append(getattr(psutil.cpu_times_percent(), "steal", 0.0))
        for name in served.pids:
            memory[name].append(served.memory_mb(name))
        line = " · ".join(f"{name} {values[-1]:.0f}" for name, values in memory.items())
        print(line, file=sys.stderr, flush=True)
        time.sleep(min(every_s, max(0.0, load.seconds - passed_s)))
    return running.answers(), memory


def growth(seconds: list[float], values_mb: list[float]) -> float:
    """By how much memory grew over the settled part, as a line fitted to it says, by its mean.

    >>> abs(growth([0, 1, 2, 3, 4, 5, 6], [50, 90, 100, 100, 100, 100, 100])) < 1e-9
    True
    """
    times, values = np.asarray(seconds), np.asarray(values_mb)
    settled = times >= times[0] + SETTLED * (times[-1] - times[0])
    slope = np.polyfit(times[settled], values[settled], 1)[0]
    return float(slope * np.ptp(times[settled]) / values[settled].mean())


def in_crowd(seconds: NDArray[np.float64], memory: Memory) -> NDArray[np.bool_]:
    """Which of these moments lie between two readings between which others took more than `CROWDED` percent.

    >>> readings = {"seconds": [0.0, 10.0, 20.0], "stolen": [0.0, 3.0, 25.0]}
    >>> in_crowd(np.array([9.0, 12.0, 21.0]), readings).tolist()
    [False, True, False]
    """
    stolen = np.append(memory["stolen"], 0.0)
    return stolen[np.searchsorted(memory["seconds"], seconds)] > CROWDED


def _figures(answers: Answers, memory: Memory, peak_per_s: float, load: Load) -> dict[str, Any]:
    servers = [name for name in memory if name not in _NO_SERVERS]
    refused_s = answers.due_s[np.isin(answers.status, REFUSALS)]
    return {
        "machine": describe_machine("tensorflow-cpu", "flask", "grpcio"),
        "peak_per_s": peak_per_s,
        "asked_per_s": load.per_s,
        "minutes": load.seconds / 60,
        "requests": len(answers.status),
        "refused": len(refused_s),
        "refused_else": int(np.sum(~in_crowd(refused_s, memory))),
        "refused_at_s": sorted({int(second) for second in refused_s}),
        "failed": answers.failed - len(refused_s),
        "p50_ms": answers.quantile_ms(0.5),
        "p99_ms": answers.quantile_ms(0.99),
        "growth": {name: growth(memory["seconds"], memory[name]) for name in servers},
        "memory_mb": memory,
    }


def _text(figures: dict[str, Any]) -> str:
    memory, machine = figures["memory_mb"], figures["machine"]
    settled = int(len(memory["seconds"]) * SETTLED)
    rows = [
        [
            name,
            *(f"{value:.0f}" for value in (memory[name][0], memory[name][settled], memory[name][-1])),
            f"{grown:+.2%}",
        ]
        for name, grown in figures["growth"].items()
    ]
    crowded = float(np.sum(np.diff(memory["seconds"], prepend=0.0)[np.asarray(memory["stolen"]) > CROWDED]))
    met = not figures["failed"] + figures["refused"] and all(
        grown <= ALLOWED_GROWTH for grown in figures["growth"].values()
    )
    return f"""# Soak

{table(["process", "MB at first", "after a third", "at the end", "growth"], rows)}

**{figures["failed"]}** of {figures["requests"]} requests failed, **{figures["refused"]}** were refused (429)
(asked: none); memory grew by at most **{max(figures["growth"].values()):.2%}**
(asked: {ALLOWED_GROWTH:.0%}): {"met" if met else "MISSED"}.

Of the refusals, {figures["refused_else"]} fell outside the {crowded:.0f} s in which other machines took more than
{CROWDED:.0f}% of the processor's time. That limit was chosen after a look at such a run: it explains,
it excuses nothing.

`python -m benchmarks.soak`: {figures["minutes"]:.0f} minutes at {figures["asked_per_s"]:.0f} requests a second,
{SHARE:.0%} of the peak, through the gateway; p50 {figures["p50_ms"]:.1f} ms, p99 {figures["p99_ms"]:.1f} ms.
Other machines on the same host took {np.mean(memory["stolen"][1:]):.0f}% of the processor's time, at most
{max(memory["stolen"]):.0f}% of ten seconds. Growth: of a line fitted to the last two thirds, by their mean.
{machine["processor"]}, {machine["cores"]} cores; {machine["measured_at"]}."""


def _plot(answers: Answers, memory: Memory, path: Any) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, values in memory.items():
        if name not in _NO_SERVERS:
            left.plot(np.asarray(memory["seconds"]) / 60, values, label=name)
    left.set(xlabel="minutes", ylabel="resident memory (MB)", ylim=(0, None))
    left.legend()
    minutes = (answers.due_s // 60).astype(int)
    for quantile in (0.5, 0.99):
        values = [answers.quantile_ms(quantile, (minutes == minute) & answers.good) for minute in set(minutes)]
        right.plot(sorted(set(minutes)), values, label=f"p{quantile * 100:.0f}")
    right.set(xlabel="minutes", ylabel="latency (ms)", ylim=(0, None))
    right.legend(loc="upper left")
    stolen = right.twinx()
    stolen.plot(np.asarray(memory["seconds"]) / 60, memory["stolen"], color="gray", linewidth=0.6)
    stolen.set(ylabel="gray: time taken by other machines (%)", ylim=(0, 100))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run_script(main)
