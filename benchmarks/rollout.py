"""How long a rollout takes to decide, and who is exposed meanwhile: `python -m benchmarks.rollout [--repeats 5]`.

Each kind of version is rolled out again and again on a real model server and gateway under load. The guards that come
before the canary are switched off one by one, so that each is seen to catch what it can: `all` has every step, `live`
no verification apart and no replay, `canary` no shadow either.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import describe_machine, keep, table
from benchmarks.rollout_workload import KINDS, Stack, Visitors, export
from sazon.quiet import quiet_libraries
from serving.rollout import steps
from serving.rollout.controller import Controller
from serving.rollout.store import Outcome, Rollout, RolloutStore

Runs = dict[tuple[str, str], list[dict[str, Any]]]
"""By kind of version and guards."""

GUARDS: dict[str, dict[str, Any]] = {
    "all": {"replay_texts": 100},
    "live": {"replay_texts": 0},
    "canary": {"replay_texts": 0, "shadow_share": 0.0},
}
_NOTE = (
    "Median over {} rollouts. Exposed: share of all requests during the rollout that the new version answered. Steps "
    "50% and 75%, {} visitors asking one after another, margins of "
    "`benchmarks/rollout_workload.py`, alpha = beta = 5%."
)
_VISITORS = 3
_verify_apart = steps.verify_apart


def main() -> None:
    """Prints the table and keeps it as `rollout.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--guards", nargs="+", choices=GUARDS, default=list(GUARDS))
    options = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as folder:
        for runs in _measure(Path(folder), options.repeats, options.guards):
            _report(runs, options.repeats)


def _report(runs: Runs, repeats: int) -> None:
    rows = [_row(kind, guards, found) for (kind, guards), found in runs.items()]
    head = ["version", "guards", "as wanted", "decided in", "seconds", "calls answered by it", "exposed"]
    text = f"{table(head, rows)}\n\n{_NOTE.format(repeats, _VISITORS)}"
    print(text)
    figures = [{"kind": kind, "guards": guards, "runs": found} for (kind, guards), found in runs.items()]
    keep("rollout", text, {"machine": describe_machine("tensorflow-cpu", "grpcio"), "figures": figures})


def _measure(folder: Path, repeats: int, chosen: list[str]) -> Iterator[Runs]:
    """Yields all runs so far, each time a set of guards is done."""
    for kind in ("champion", *KINDS):
        export(folder / "models" / kind, kind)
    stack = Stack(folder / "home", folder / "models").start()
    runs: Runs = defaultdict(list)
    number = 1
    try:
        for guards in chosen:
            steps.verify_apart = _verify_apart if guards == "all" else lambda *_: {}
            for kind in KINDS:
                for _ in range(repeats):
                    number += 1
                    stack.enter(number, kind)
                    run = _one(stack, number, kind, GUARDS[guards])
                    print(guards, kind, run, file=sys.stderr, flush=True)
                    runs[kind, guards].append(run)
            yield runs
    finally:
        stack.stop()


def _one(stack: Stack, number: int, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    with Visitors(stack.url, _VISITORS) as visitors:
        time.sleep(0.5)
        started_s = time.monotonic()
        ended = stack.roll_out(number, lambda _: None, **settings)
        seconds = time.monotonic() - started_s
    exposed, total = visitors.answered[str(number)], sum(visitors.answered.values()) + len(visitors.failed)
    exposed += len(visitors.failed)  # the champion fails on nothing
    if ended.outcome is Outcome.PROMOTED:
        _take_back(stack)
    good = kind == "good"
    return {
        "as_wanted": (ended.outcome is Outcome.PROMOTED) == good,
        "decided_in": _deciding_step(ended),
        "reason": ended.reason.replace(str(stack.home), "$SAZON_HOME"),
        "seconds": round(seconds, 2),
        "exposed_calls": exposed,
        "exposed": exposed / max(1, total),
    }


def _take_back(stack: Stack) -> None:
    store = RolloutStore(stack.home / "rollouts")
    with store.control():
        controller = Controller(stack.place(lambda _: None), store)
        controller.run(controller.begin_rollback("benchmark"))


def _deciding_step(ended: Rollout) -> str:
    return "promote" if ended.outcome is Outcome.PROMOTED else ended.reason.split(":")[0]


def _row(kind: str, guards: str, runs: list[dict[str, Any]]) -> list[str]:
    wanted = sum(run["as_wanted"] for run in runs)
    places = sorted({run["decided_in"] for run in runs})
    seconds, calls, exposed = (median(run[name] for run in runs) for name in ("seconds", "exposed_calls", "exposed"))
    return [
        kind,
        guards,
        f"{wanted}/{len(runs)}",
        ", ".join(places),
        f"{seconds:.1f}",
        f"{calls:.0f}",
        f"{exposed:.1%}",
    ]


if __name__ == "__main__":
    main()
