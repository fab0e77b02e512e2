"""Half an hour at 70% of the peak: errors, and memory of gateway and model server over time.

The speed of a shared machine drifts, so the peak is found anew every three minutes; the closed loops that find it
are part of the soak. Clients wait for their answers: where other machines on the host take much of the processor, so
that 70% of the peak is more than the rest can do, they ask less for a while. How much less is told.

`python -m benchmarks.soak [--model DIR] [--minutes 30] [--workers N] [--quick]`
"""

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil  # type: ignore[import-untyped]

from benchmarks.overload import CLIENTS, REFUSALS
from benchmarks.report import RESULTS, describe_machine, keep, run_script, table
from benchmarks.serve_stack import ServedModel, find_model, sample_texts, serve_model
from benchmarks.serve_traffic import Answers, Load, begin

SHARE: Final = 0.7
ALLOWED_GROWTH: Final = 0.03
SETTLED: Final = 1 / 3
"""Of the time, before which memory may still grow."""
WAITING: Final = 64
"""Clients."""
SECTION_S: Final = 180.0
"""From one search for the peak to the next."""
SEARCH_S: Final = 3.0
"""Of a closed loop."""


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a SavedModel; else the newest that is served from the state")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=1, help="processes of the gateway")
    parser.add_argument("--quick", action="store_true", help="a minute in two sections; nothing kept")
    chosen = parser.parse_args()
    seconds, section_s = (60.0, 30.0) if chosen.quick else (chosen.minutes * 60, SECTION_S)
    with serve_model(find_model(chosen.model), chosen.workers) as served:
        soak = Soak(served, sample_texts())
        while soak.passed_s < seconds - 1.0:
            soak.run_section(min(section_s, seconds - soak.passed_s))
    figures = _figures(soak)
    text = _text(figures)
    print(text)
    if not chosen.quick:
        keep("soak", text, figures)
        _plot(soak, RESULTS / "soak.png")


@dataclass
class Soak:
    """A soak that is under way.

    Attributes:
        began_s: on `time.monotonic`.
        loads: answers of each load, and when it began; closed loops too.
        peaks_per_s: as each section found it.
        wanted: requests at `SHARE` of the peaks.
        sent: of these, those that could be sent.
        seconds: of the readings of memory.
        stolen: percent of the processor's time that other machines took between two readings.
        memory_mb: readings by name of the server.
    """

    served: ServedModel
    texts: list[str]
    began_s: float = field(default_factory=time.monotonic)
    loads: list[tuple[Answers, float]] = field(default_factory=list)
    peaks_per_s: list[float] = field(default_factory=list)
    wanted: float = 0.0
    sent: int = 0
    seconds: list[float] = field(default_factory=list)
    stolen: list[float] = field(default_factory=list)
    memory_mb: dict[str, list[float]] = field(default_factory=dict)

    @property
    def passed_s(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began_s

    @property
    def answers(self) -> Answers:
        """All of them, on the clock of the soak."""
        (first, began_s), *others = self.loads
        moved = replace(first, due_s=first.due_s + began_s)
        return reduce(lambda so_far, load: so_far.joined(*load), others, moved)

    def run_section(self, seconds: float) -> None:
        """Finds the peak, then asks at `SHARE` of it for the rest of the time."""
        ends_s = self.passed_s + seconds
        found = [self._ask(seconds=SEARCH_S, clients=count).per_s for count in CLIENTS]
        self.peaks_per_s.append(max(found))
        rest_s, per_s = max(1.0, ends_s - self.passed_s), SHARE * max(found)
        self.sent += len(self._ask(seconds=rest_s, per_s=per_s, clients=WAITING).status)
        self.wanted += rest_s * per_s

    def _ask(self, **how: Any) -> Answers:
        load = Load(self.texts, port=self.served.gateway, **how)
        running = begin(load)
        while (left_s := running.began_s + load.seconds - time.monotonic()) > 0:
            self._read()
            time.sleep(min(10.0, left_s))
        answers = running.answers()
        self.loads.append((answers, running.began_s - self.began_s))
        return answers

    def _read(self) -> None:
        self.seconds.append(self.passed_s)
        self.stolen.append(getattr(psutil.cpu_times_percent(), "steal", 0.0))
        for name in self.served.pids:
            self.memory_mb.setdefault(name, []).append(self.served.memory_mb(name))
        memory = " · ".join(f"{name} {values[-1]:.0f} MB" for name, values in self.memory_mb.items())
        peak = f"peak {self.peaks_per_s[-1]:.0f}/s" if self.peaks_per_s else "no peak yet"
        failed = sum(answers.failed for answers, _ in self.loads)
        asked = f"{self.sent / self.wanted:.0%} asked" if self.wanted else "none asked"
        parts = [f"{self.seconds[-1]:.0f} s", peak, memory, f"{self.stolen[-1]:.0f}% stolen", asked, f"{failed} failed"]
        print(" · ".join(parts), file=sys.stderr, flush=True)


def growth(seconds: list[float], values_mb: list[float]) -> float:
    """By how much memory grew over the settled part, as a line fitted to it says, by its mean.

    >>> abs(growth([0, 1, 2, 3, 4, 5, 6], [50, 90, 100, 100, 100, 100, 100])) < 1e-9
    True
    """
    times, values = np.asarray(seconds), np.asarray(values_mb)
    settled = times >= times[0] + SETTLED * (times[-1] - times[0])
    slope = np.polyfit(times[settled], values[settled], 1)[0]
    return float(slope * np.ptp(times[settled]) / values[settled].mean())


def _figures(soak: Soak) -> dict[str, Any]:
    answers = soak.answers
    return {
        "machine": describe_machine("tensorflow-cpu", "flask", "grpcio"),
        "peaks_per_s": soak.peaks_per_s,
        "minutes": soak.passed_s / 60,
        "requests": len(answers.status),
        "failed": answers.failed,
        "refused": int(np.isin(answers.status, REFUSALS).sum()),
        "asked": soak.sent / soak.wanted,
        "p50_ms": answers.quantile_ms(0.5),
        "p99_ms": answers.quantile_ms(0.99),
        "longest_ms": answers.quantile_ms(1.0),
        "growth": {name: growth(soak.seconds, values) for name, values in soak.memory_mb.items()},
        "seconds": soak.seconds,
        "stolen": soak.stolen,
        "memory_mb": soak.memory_mb,
    }


def _text(figures: dict[str, Any]) -> str:
    memory, machine, peaks = figures["memory_mb"], figures["machine"], figures["peaks_per_s"]
    settled = int(len(figures["seconds"]) * SETTLED)
    rows = [
        [
            name,
            *(f"{value:.0f}" for value in (memory[name][0], memory[name][settled], memory[name][-1])),
            f"{grown:+.2%}",
        ]
        for name, grown in figures["growth"].items()
    ]
    met = not figures["failed"] and max(figures["growth"].values()) <= ALLOWED_GROWTH
    verdict = "met" if met else "MISSED"
    return f"""# Soak

{table(["process", "MB at first", "after a third", "at the end", "growth"], rows)}

**{figures["failed"]}** of {figures["requests"]} requests failed, {figures["refused"]} of them refused (asked: none);
memory grew by at most {max(figures["growth"].values()):.2%} (asked: {ALLOWED_GROWTH:.0%}): **{verdict}**.

`python -m benchmarks.soak`: {figures["minutes"]:.0f} minutes through the gateway at {SHARE:.0%} of the peak;
p50 {figures["p50_ms"]:.1f} ms, p99 {figures["p99_ms"]:.1f} ms, longest {figures["longest_ms"]:.0f} ms,
{WAITING} clients, which ask no more while all wait: {figures["asked"]:.1%} of that rate was asked.
The peak was found anew every {SECTION_S / 60:.0f} minutes, in closed loops that are counted too, as the speed of this
machine drifts: {min(peaks):.0f} to {max(peaks):.0f} a second. Other machines on the same host took
{np.mean(figures["stolen"][1:]):.0f}% of the processor's time, at most {max(figures["stolen"]):.0f}% between two
readings. Growth: of a line fitted to the last two thirds, by their mean.
{machine["processor"]}, {machine["cores"]} cores; {machine["measured_at"]}."""


def _plot(soak: Soak, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, values in soak.memory_mb.items():
        left.plot(np.asarray(soak.seconds) / 60, values, label=name)
    left.set(xlabel="minutes", ylabel="resident memory (MB)", ylim=(0, None))
    left.legend()
    answers = soak.answers
    minutes = (answers.due_s // 60).astype(int)
    for quantile in (0.5, 0.99):
        values = [answers.quantile_ms(quantile, (minutes == minute) & answers.good) for minute in set(minutes)]
        right.plot(sorted(set(minutes)), values, label=f"p{quantile * 100:.0f}")
    right.set(xlabel="minutes", ylabel="latency (ms)", ylim=(0, None))
    right.legend(loc="upper left")
    stolen = right.twinx()
    stolen.plot(np.asarray(soak.seconds) / 60, soak.stolen, color="gray", linewidth=0.6)
    stolen.set(ylabel="gray: time taken by other machines (%)", ylim=(0, 100))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run_script(main)
