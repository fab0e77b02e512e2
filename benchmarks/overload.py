"""The gateway at three times what it can do: `python -m benchmarks.overload [--model DIR] [--quick]`.

The peak is found by closed loops; then requests come at a fixed rate of three times that. The peak is measured once
more afterwards, as speed drifts on shared machines: what is kept under overload is compared with the mean of both.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.report import RESULTS, describe_machine, keep, run_script, table
from benchmarks.serve_stack import ServedModel, busy_s, find_model, sample_texts, serve_model
from benchmarks.serve_traffic import Answers, Load, run

CLIENTS: Final = (8, 16, 32, 64)
TIMES: Final = 3
KEPT: Final = 0.9
REFUSED_P99_MS: Final = 50.0
REFUSALS: Final = (429, 503)


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a SavedModel; else the newest that is served from the state")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes of the gateway")
    parser.add_argument("--quick", action="store_true", help="a third of the time; nothing kept")
    chosen = parser.parse_args()
    closed_s, open_s = (2.0, 7.0) if chosen.quick else (6.0, 20.0)
    model, texts = find_model(chosen.model), sample_texts()
    found: dict[str, dict[str, Any]] = {}
    overloads = {}
    for workers in chosen.workers:
        with serve_model(model, workers) as served:
            name = "waitress" if workers == 1 else f"gunicorn, {workers} workers"
            found[name], overloads[name] = measure(served, texts, closed_s, open_s)
    figures = {"machine": describe_machine("flask", "waitress", "gunicorn", "grpcio"), "gateways": found}
    text = _text(figures)
    print(text)
    if not chosen.quick:
        keep("overload", text, figures)
        _plot(overloads, found, RESULTS / "overload.png")


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
    before, busy_before_s = {name: served.processor_s(name) for name in served.pids}, busy_s()
    answers = run(load)
    busy = (busy_s() - busy_before_s) / load.seconds
    refused = np.isin(answers.status, REFUSALS)
    spent = {name: (served.processor_s(name) - before[name]) / load.seconds for name in served.pids}
    cores = {**spent, "load": answers.processor_s / load.seconds}
    return answers, {
        "load": f"{load.per_s:.0f} a second" if load.per_s else f"{load.clients} clients",
        "per_s": answers.per_s,
        "p50_ms": answers.quantile_ms(0.5),
        "p99_ms": answers.quantile_ms(0.99),
        "refused": int(refused.sum()),
        "refused_p50_ms": answers.quantile_ms(0.5, refused),
        "refused_p99_ms": answers.quantile_ms(0.99, refused),
        "failed": answers.failed - int(refused.sum()),
        "cores": cores | {"others": busy - sum(cores.values())},
    }


def _text(figures: dict[str, Any]) -> str:
    head = ["gateway · load", "answers/s", "p50 ms", "p99 ms", "refused", "their p50 ms", "p99 ms", "failed"]
    head += ["cores: gateway", "model server", "load", "others"]
    found, machine = figures["gateways"], figures["machine"]
    rows = [_row(name, row) for name, gateway in found.items() for row in gateway["rows"]]
    verdicts = "\n".join(_verdict(name, gateway) for name, gateway in found.items())
    return f"""# Overload

{table(head, rows)}

{verdicts}

`python -m benchmarks.overload`: one text a request to the gateway in front of the model server. *clients*: closed loop;
*a second*: at a fixed rate, {TIMES} times the peak; times from when a request was due. The peak is the mean of its
measures before and after. *cores*: processor time by time passed; what the load and other programs of the machine take
is missing elsewhere.
{machine["processor"]}, {machine["cores"]} cores; {machine["measured_at"]}."""


def _row(name: str, row: dict[str, Any]) -> list[str]:
    times = [f"{row[column]:.1f}" for column in ("p50_ms", "p99_ms")]
    refusals = [f"{row[column]:.1f}" if row["refused"] else "–" for column in ("refused_p50_ms", "refused_p99_ms")]
    cores = [f"{row['cores'][column]:.2f}" for column in ("gateway", "server", "load", "others")]
    counts = [str(row["refused"]), *refusals, str(row["failed"])]
    return [f"{name} · {row['load']}", f"{row['per_s']:.0f}", *times, *counts, *cores]


def _verdict(name: str, gateway: dict[str, Any]) -> str:
    kept, refused_ms = gateway["kept"], gateway["refused_p99_ms"]
    verdict = "met" if kept >= KEPT and refused_ms < REFUSED_P99_MS else "MISSED"
    return (
        f"- {name}: **{kept:.0%}** of the peak is still answered (asked: {KEPT:.0%}), p99 of refusals is "
        f"**{refused_ms:.1f} ms** (asked: under {REFUSED_P99_MS:.0f}): {verdict}."
    )


def _plot(overloads: dict[str, Answers], found: dict[str, dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.5 * len(overloads)), layout="constrained")
    axes = figure.subplots(len(overloads), 2, squeeze=False)
    for (name, answers), (left, right) in zip(overloads.items(), axes, strict=True):
        kinds = {"answered": answers.good, "refused": np.isin(answers.status, REFUSALS)}
        for kind, mask in kinds.items():
            counts, edges = np.histogram(answers.ends_s[mask], np.arange(0, answers.seconds + 1))
            left.plot(edges[:-1], counts, drawstyle="steps-post", label=kind)
            took_ms = np.sort(answers.took_s[mask]) * 1e3
            right.plot(took_ms, np.linspace(0, 1, len(took_ms)), label=kind)
        left.axhline(found[name]["peak_per_s"], color="gray", linewidth=0.8)
        left.set(xlabel="seconds", ylabel="a second", title=f"{name}; gray: peak", ylim=(0, None))
        right.axvline(REFUSED_P99_MS, color="gray", linewidth=0.8)
        right.set(xscale="log", xlabel="latency (ms)", ylabel="share", title="gray: limit of refusals' p99")
        left.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run_script(main)
