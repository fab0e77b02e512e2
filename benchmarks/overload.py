"""The gateway at three times what it can do: `python -m benchmarks.overload [--model DIR] [--workers N] [--quick]`.

The peak is found by closed loops; then requests come at a fixed rate of three times that. The peak is measured once
more afterwards, as speed drifts on shared machines: what is kept under overload is compared with the mean of both.
"""

import argparse
import sys
from typing import Any, Final

import numpy as np

from benchmarks.report import RESULTS, describe_machine, keep, table
from benchmarks.serve_stack import ServedModel, find_model, sample_texts, serve_model
from benchmarks.serve_traffic import Answers, Load, run
from sazon.errors import SazonError

CLIENTS: Final = (8, 16, 32, 64)
TIMES: Final = 3
KEPT: Final = 0.9
REFUSED_P99_MS: Final = 50.0
_REFUSALS: Final = (429, 503)


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a SavedModel; else the newest that is served from the state")
    parser.add_argument("--workers", type=int, default=1, help="processes of the gateway")
    parser.add_argument("--quick", action="store_true", help="a third of the time; nothing kept")
    chosen = parser.parse_args()
    closed_s, open_s = (2.0, 7.0) if chosen.quick else (6.0, 20.0)
    with serve_model(find_model(chosen.model), chosen.workers) as served:
        figures, overload = measure(served, sample_texts(), closed_s, open_s)
    figures |= {"machine": describe_machine("flask", "waitress", "gunicorn", "grpcio"), "workers": chosen.workers}
    text = _text(figures)
    print(text)
    if not chosen.quick:
        keep("overload", text, figures)
        _plot(overload, figures["peak_per_s"], RESULTS / "overload.png")


def find_peak(served: ServedModel, texts: list[str], seconds: float) -> tuple[int, list[dict[str, Any]]]:
    """Closed loops of more and more clients; returns the number that brought most, and a row for each."""
    run(Load(texts, seconds / 2, served.gateway, clients=CLIENTS[0]))  # connections, first runs
    rows = [_measured(served, Load(texts, seconds, served.gateway, clients=count))[1] for count in CLIENTS]
    best = max(range(len(rows)), key=lambda place: rows[place]["per_s"])
    return CLIENTS[best], rows


def measure(served: ServedModel, texts: list[str], closed_s: float, open_s: float) -> tuple[dict[str, Any], Answers]:
    """Peak, overload, peak."""
    clients, rows = find_peak(served, texts, closed_s)
    before = max(row["per_s"] for row in rows)
    overload, row = _measured(served, Load(texts, open_s, served.gateway, per_s=TIMES * before))
    _, after = _measured(served, Load(texts, 2 * closed_s, served.gateway, clients=clients))
    rows += [row, after | {"load": f"{after['load']} again"}]
    peak = float(np.mean([before, after["per_s"]]))
    return {
        "rows": rows,
        "peak_per_s": peak,
        "kept": row["per_s"] / peak,
        "refused_p99_ms": row["refused_p99_ms"],
    }, overload


def _measured(served: ServedModel, load: Load) -> tuple[Answers, dict[str, Any]]:
    before = {name: served.processor_s(name) for name in served.pids}
    answers = run(load)
    refused = np.isin(answers.status, _REFUSALS)
    spent = {name: (served.processor_s(name) - before[name]) / load.seconds for name in served.pids}
    return answers, {
        "load": f"{load.per_s:.0f} a second" if load.per_s else f"{load.clients} clients",
        "per_s": answers.per_s,
        "p50_ms": answers.quantile_ms(0.5),
        "p99_ms": answers.quantile_ms(0.99),
        "refused": int(refused.sum()),
        "refused_p50_ms": answers.quantile_ms(0.5, refused),
        "refused_p99_ms": answers.quantile_ms(0.99, refused),
        "failed": answers.failed - int(refused.sum()),
        "cores": {**spent, "load": answers.processor_s / load.seconds},
    }


def _text(figures: dict[str, Any]) -> str:
    head = ["load", "answers/s", "p50 ms", "p99 ms", "refused", "their p50 ms", "p99 ms", "failed"]
    head += ["cores: gateway", "model server", "load"]
    rows = []
    for row in figures["rows"]:
        times = [f"{row[name]:.1f}" for name in ("p50_ms", "p99_ms")]
        refusals = [f"{row[name]:.1f}" if row["refused"] else "–" for name in ("refused_p50_ms", "refused_p99_ms")]
        cores = [f"{row['cores'][name]:.2f}" for name in ("gateway", "server", "load")]
        rows.append(
            [row["load"], f"{row['per_s']:.0f}", *times, str(row["refused"]), *refusals, str(row["failed"]), *cores]
        )
    kept, refused_ms, machine = figures["kept"], figures["refused_p99_ms"], figures["machine"]
    verdict = "met" if kept >= KEPT and refused_ms < REFUSED_P99_MS else "MISSED"
    return f"""# Overload

{table(head, rows)}

At {TIMES} times the peak, **{kept:.0%}** of the peak is still answered (asked: {KEPT:.0%}), and p99 of refusals is
**{refused_ms:.1f} ms** (asked: under {REFUSED_P99_MS:.0f}): {verdict}.

`python -m benchmarks.overload`: one text a request to the gateway (workers: {figures["workers"]}) in front of the model
server. *clients*: closed loop; *a second*: at a fixed rate, times from when a request was due. The peak is the mean of
its measures before and after. *cores*: processor time by time passed; the load shares the machine, so that what it
takes is missing elsewhere. {machine["processor"]}, {machine["cores"]} cores; {machine["measured_at"]}."""


def _plot(answers: Answers, peak_per_s: float, path: Any) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    kinds = {"answered": answers.good, "refused": np.isin(answers.status, _REFUSALS)}
    for name, mask in kinds.items():
        ends_s, took_ms = answers.ends_s[mask], np.sort(answers.took_s[mask]) * 1e3
        counts, edges = np.histogram(ends_s, np.arange(0, answers.seconds + 1))
        left.plot(edges[:-1], counts, drawstyle="steps-post", label=name)
        right.plot(took_ms, np.linspace(0, 1, len(took_ms)), label=name)
    left.axhline(peak_per_s, color="gray", linewidth=0.8)
    left.set(xlabel="seconds", ylabel="a second", title="gray: peak", ylim=(0, None))
    right.axvline(REFUSED_P99_MS, color="gray", linewidth=0.8)
    right.set(xscale="log", xlabel="latency (ms)", ylabel="share of requests", title="gray: limit of refusals' p99")
    left.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    try:
        main()
    except SazonError as error:
        sys.exit(str(error))
