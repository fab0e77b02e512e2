"""Versions that take over under load: `python -m benchmarks.hot_swap [--model DIR] [--quick]`.

32 clients, half over REST and half over gRPC, ask the model server without a pause while versions 2 to 6 are published
one after another, each then retiring the one before, and a broken version is pushed and taken back in between.
"""

import argparse
import json
import shutil
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.report import RESULTS, describe_machine, keep, run_script, table
from benchmarks.serve_stack import ServedModel, busy_s, find_model, sample_texts, serve_model
from benchmarks.serve_traffic import Answers, Load, begin, run
from sazon.errors import ServingError
from sazon.home import atomic_directory
from sazon.schema import MODEL_NAME
from serving.rollout.publishing import publish, retire

CLIENTS: Final = 32
ALLOWED_RATIO: Final = 2.0
_RAMP_S: Final = 1.0
"""Until all clients are there."""
_BROKEN: Final = 99
_LOAD_S: Final = 60.0
_LONGEST_S: Final = 400.0
_POLL_S: Final = 0.1


@dataclass(frozen=True)
class Plan:
    """What happens when: a steady phase, then versions up to the last with pauses between them, at least so long."""

    steady_s: float = 15.0
    pause_s: float = 2.0
    last: int = 6
    seconds: float = 60.0


@dataclass(frozen=True)
class Swap:
    """From the publication of a version until the one before is gone; seconds since the load began."""

    version: int
    began_s: float
    ended_s: float


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a SavedModel; else the newest that is served from the state")
    parser.add_argument("--quick", action="store_true", help="a short steady phase, versions 2 and 3; nothing kept")
    chosen = parser.parse_args()
    plan = Plan(4.0, 0.5, 3, 0.0) if chosen.quick else Plan()
    model, texts = find_model(chosen.model), sample_texts()
    with serve_model(model) as served:
        load = Load(texts, _LONGEST_S, served.rest, "rest", CLIENTS // 2)
        answers, swaps, others = _measure(served, load, model, plan)
    figures = _figures(answers, swaps, plan.steady_s) | {"other_cores": others}
    text = _text(figures, answers, swaps)
    print(text)
    if not chosen.quick:
        keep("hot_swap", text, figures)
        _plot(answers, swaps, RESULTS / "hot_swap.png")


def _measure(served: ServedModel, load: Load, model: Path, plan: Plan) -> tuple[Answers, list[Swap], float]:
    """Puts the load on and publishes meanwhile; also says how many cores other programs took."""
    over_grpc = replace(load, port=served.grpc, form="grpc")
    for warm_up in (load, over_grpc):
        run(replace(warm_up, seconds=1.0))
    busy_before_s, own_before_s = busy_s(), served.processor_s("server")
    running, beside = begin(load), begin(over_grpc)
    try:
        swaps = _swap_all(served, model, plan, running.began_s)
    finally:
        for one in (running, beside):
            one.stop()
    answers = running.answers().joined(beside.answers(), beside.began_s - running.began_s)
    own_s = answers.processor_s + served.processor_s("server") - own_before_s
    return answers, swaps, (busy_s() - busy_before_s - own_s) / answers.seconds


def _swap_all(served: ServedModel, model: Path, plan: Plan, zero_s: float) -> list[Swap]:
    swaps = []
    time.sleep(max(0.0, zero_s + plan.steady_s - time.monotonic()))
    for version in range(2, plan.last + 1):
        if version == (plan.last + 3) // 2:
            swaps.append(_push_broken(served, model, zero_s))
            time.sleep(plan.pause_s)
        swaps.append(_swap(served, model, version, zero_s))
        time.sleep(plan.pause_s)
    time.sleep(max(0.0, zero_s + plan.seconds - time.monotonic()))
    return swaps


def _swap(served: ServedModel, model: Path, version: int, zero_s: float) -> Swap:
    began_s = time.monotonic()
    publish(model, version, served.served)
    _wait(served, {version: "AVAILABLE", version - 1: "END"})
    ended_s = time.monotonic()
    retire(served.served / MODEL_NAME / str(version - 1))
    return Swap(version, began_s - zero_s, ended_s - zero_s)


def _push_broken(served: ServedModel, model: Path, zero_s: float) -> Swap:
    """A version whose graph is cut short; the server must keep what it has."""
    began_s, target = time.monotonic(), served.served / MODEL_NAME / str(_BROKEN)
    with atomic_directory(target) as staging:
        shutil.copytree(model, staging, dirs_exist_ok=True)
        graph = staging / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[:-200])
    until_s = time.monotonic() + _LOAD_S
    while f"version {_BROKEN} cannot be loaded" not in served.log("server"):
        if time.monotonic() > until_s:
            raise ServingError("the server did not refuse the broken version")
        time.sleep(_POLL_S)
    retire(target)
    return Swap(_BROKEN, began_s - zero_s, time.monotonic() - zero_s)


def _wait(served: ServedModel, wanted: dict[int, str]) -> None:
    until_s = time.monotonic() + _LOAD_S
    while not wanted.items() <= _states(served).items():
        if time.monotonic() > until_s:
            raise ServingError(f"the server did not come to {wanted} within {_LOAD_S:.0f} s: {_states(served)}")
        time.sleep(_POLL_S)


def _states(served: ServedModel) -> dict[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.rest}/v1/models/{MODEL_NAME}", timeout=10) as answer:
        found = json.load(answer)["model_version_status"]
    return {int(status["version"]): status["state"] for status in found}


def _figures(answers: Answers, swaps: list[Swap], steady_s: float) -> dict[str, Any]:
    """Steady: all before the first swap. Swapping: requests that were under way while a version loaded or left."""
    ends_s, during = answers.ends_s, np.zeros(len(answers.status), bool)
    for swap in swaps:
        during |= (ends_s >= swap.began_s) & (answers.due_s <= swap.ended_s)
    begun, good = answers.due_s >= _RAMP_S, answers.good
    phases = {"steady": good & begun & (ends_s < steady_s), "swapping": good & during}
    found = {
        name: {
            "requests": int(mask.sum()),
            **{f"p{quantile * 100:.0f}_ms": answers.quantile_ms(quantile, mask) for quantile in (0.5, 0.99)},
            "longest_ms": answers.quantile_ms(1.0, mask),
        }
        for name, mask in phases.items()
    }
    return {
        "machine": describe_machine("tensorflow-cpu", "grpcio"),
        "phases": found,
        "p99_ratio": found["swapping"]["p99_ms"] / found["steady"]["p99_ms"],
        "requests": len(answers.status),
        "failed": answers.failed,
        "swaps": [vars(swap) for swap in swaps],
    }


def _text(figures: dict[str, Any], answers: Answers, swaps: list[Swap]) -> str:
    rows = [
        [name, str(row["requests"]), *(f"{row[column]:.1f}" for column in ("p50_ms", "p99_ms", "longest_ms"))]
        for name, row in figures["phases"].items()
    ]
    took = ", ".join(f"{_named(swap)} {swap.ended_s - swap.began_s:.1f} s" for swap in swaps)
    verdict = "met" if figures["p99_ratio"] <= ALLOWED_RATIO and not figures["failed"] else "MISSED"
    machine = figures["machine"]
    return f"""# Hot swap

{table(["phase", "requests", "p50 ms", "p99 ms", "longest ms"], rows)}

p99 while swapping is **{figures["p99_ratio"]:.2f}** times the steady one (asked: at most {ALLOWED_RATIO:.0f});
**{figures["failed"]}** of {figures["requests"]} requests failed (asked: 0): {verdict}.

`python -m benchmarks.hot_swap`: {answers.seconds:.0f} s of {CLIENTS} clients in a closed loop, half REST, half gRPC,
one text a request. *Swapping*: requests under way while a version loaded or left ({took}). The load took
{answers.processor_s / answers.seconds:.2f} cores of the same machine, other programs {figures["other_cores"]:.2f}.
{machine["processor"]}, {machine["cores"]} cores; {machine["measured_at"]}."""


def _named(swap: Swap) -> str:
    return "broken" if swap.version == _BROKEN else f"version {swap.version}"


def _plot(answers: Answers, swaps: list[Swap], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    good = answers.good
    axes.plot(answers.due_s[good], answers.took_s[good] * 1e3, ".", markersize=1.5, alpha=0.5)
    for swap in swaps:
        axes.axvspan(
            swap.began_s, swap.ended_s, color="tab:red" if swap.version == _BROKEN else "tab:orange", alpha=0.2
        )
        axes.annotate(_named(swap), (swap.began_s, 1), xycoords=("data", "axes fraction"), fontsize=7, va="top")
    axes.set(yscale="log", xlabel="seconds", ylabel="latency (ms)", title="each dot a request; shaded: a swap")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run_script(main)
