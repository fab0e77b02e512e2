"""The model server beside other ways to serve the same version: `python -m benchmarks.serve [--quick]`.

Needs a champion in the state directory (`make run` makes one). Every server answers the same texts, one a request, in
a process of its own; the load comes from another process on the same machine and takes its share of the processor.
All servers are up at once and take turns, in several rounds, so that a slow spell of the machine meets all of them.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sazon.quiet import quiet_libraries

quiet_libraries()

import numpy as np  # noqa: E402
import psutil  # noqa: E402

from benchmarks.report import RESULTS, describe_machine, keep, run_script, table  # noqa: E402
from data import SAMPLE  # noqa: E402
from sazon.errors import SazonError  # noqa: E402
from sazon.processes import Processes, free_port  # noqa: E402
from sazon.registry import Registry  # noqa: E402
from sazon.schema import MODEL_NAME  # noqa: E402
from sazon.settings import load_settings  # noqa: E402

CLIENTS = (1, 8, 32, 64)
RATES = (50, 150)
_BATCHING = "max_batch_size { value: 32 }\nbatch_timeout_micros { value: 1000 }\nnum_batch_threads { value: 2 }\n"
_BARE, _BARE_BATCHES = "bare calls in process", (1, 32)

Row = dict[str, Any]
Found = dict[str, list[list[Row]]]
"""By server: for each load (for bare calls: for each size of batch) a row for each round."""


@dataclass(frozen=True)
class Side:
    """A server: how it is started, where it says that it is ready, where and how it is asked."""

    name: str
    command: list[str]
    ready: str
    target: str
    body: str


def sides(folder: Path, version: str, served: Path, onnx: Path) -> list[Side]:
    """Ours by REST and gRPC, without and with batching, and the peers."""
    batching = folder / "batching.config"
    batching.write_text(_BATCHING, encoding="utf-8")
    found = []
    for name, extra in (("", []), (", batching", ["--enable_batching", f"--batching_parameters_file={batching}"])):
        rest, rpc = free_port("127.0.0.1", 0), free_port("127.0.0.1", 0)
        command = [sys.executable, "-m", "serving.model_server", f"--model_name={MODEL_NAME}", f"--port={rpc}"]
        command += [f"--model_base_path={served}", f"--rest_api_port={rest}", *extra]
        status = f"http://127.0.0.1:{rest}/v1/models/{MODEL_NAME}"
        found.append(Side(f"Sazón, REST{name}", command, status, f"{status}:predict", "tensorflow"))
        found.append(Side(f"Sazón, gRPC{name}", command, status, f"127.0.0.1:{rpc}", "grpc"))
    port = free_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{MODEL_NAME}/{version}"]
    command += ["--env-manager", "local", "-p", str(port), "-h", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}"
    found.append(Side("mlflow models serve", command, f"{url}/health", f"{url}/invocations", "mlflow"))
    for kind in ("fp32", "int8"):
        port = free_port("127.0.0.1", 0)
        command = [sys.executable, "-m", "benchmarks.serve_peer", str(onnx), str(port), kind]
        url = f"http://127.0.0.1:{port}"
        found.append(Side(f"FastAPI + onnxruntime {kind}", command, f"{url}/health", f"{url}/predict", "plain"))
    return found


@contextmanager
def started(chosen: list[Side], folder: Path, uri: str) -> Iterator[list[int]]:
    """All servers, ready; gives the process of each side and stops them in the end. Ours answers REST and gRPC."""
    processes = Processes(folder / "logs")
    own_programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow calls uvicorn by name
    try:
        pids: dict[str, int] = {}
        for side in chosen:
            if side.ready in pids:
                continue
            child = processes.start(side.name, side.command, {"MLFLOW_TRACKING_URI": uri, "PATH": own_programs})
            processes.wait_until(side.name, partial(_answers, side.ready), 180)
            pids[side.ready] = child.pid
        yield [pids[side.ready] for side in chosen]
    finally:
        processes.stop()


def ask(side: Side, pid: int, texts: list[str], load: Row) -> Row:
    """Puts one load on one server."""
    before_s = _processor_s(pid)
    question = {"target": side.target, "body": side.body, "texts": texts, **load}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serve_load"],
        input=json.dumps(question), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SazonError(f"{side.name}: the load failed: {done.stderr.strip().splitlines()[-1]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    spent_ms = (_processor_s(pid) - before_s) * 1e3 / max(1, answer["requests"])
    return {**answer, **load, "processor_ms": spent_ms, "memory_mb": _memory_mb(pid)}


def measure(
    chosen: list[Side], pids: list[int], bare: "Bare", texts: list[str], loads: list[Row], rounds: int
) -> Found:
    """Every load on every server in turn, so many times; bare calls of one text and of 32 in each round beside them."""
    found: Found = {_BARE: [[], []], **{side.name: [[] for _ in loads] for side in chosen}}
    for number, (place, load) in itertools.product(range(rounds), enumerate(loads)):
        if (clients := load.get("clients")) in _BARE_BATCHES:
            found[_BARE][_BARE_BATCHES.index(clients)].append(bare.call(clients, load["seconds"]))
        for side, pid in zip(chosen, pids, strict=True):
            row = ask(side, pid, texts, load)
            found[side.name][place].append(row)
            print(f"round {number + 1} · {_named(load)} · {side.name}: {row['per_s']:.0f}/s", file=sys.stderr)
    return found


@dataclass(frozen=True)
class Bare:
    """The graph alone, without any server, on one thread."""

    answer: Callable[[list[str]], Any]
    texts: list[str]

    def call(self, batch: int, seconds: float) -> Row:
        """Texts a second and times of calls, `batch` texts each."""
        times: list[float] = []
        until_s = time.perf_counter() + seconds
        for start in itertools.count(0, batch):
            some = [self.texts[place % len(self.texts)] for place in range(start, start + batch)]
            started_s = time.perf_counter()
            self.answer(some)
            times.append(time.perf_counter() - started_s)
            if time.perf_counter() > until_s:
                break
        p50, p99 = np.percentile(times, (50, 99)) * 1e3
        return {"batch": batch, "per_s": batch / float(np.mean(times)), "p50_ms": p50, "p99_ms": p99}


@contextmanager
def bare_calls(served: Path, texts: list[str]) -> Iterator[Bare]:
    """Of the newest version, after a few calls of each size."""
    from benchmarks.infer_sazon import prepared

    newest = max((path for path in served.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    with prepared(newest, threads=1) as answer:
        bare = Bare(answer, texts)
        for batch in _BARE_BATCHES:
            bare.call(batch, 1.0)
        yield bare


def median(rows: list[Row]) -> Row:
    """Of each figure over the rounds; failures add up."""
    figures = {key: float(np.median([row[key] for row in rows])) for key in rows[0]}
    return {**figures, "failed": sum(row["failed"] for row in rows)} if "failed" in figures else figures


def compare(found: Found, loads: list[Row]) -> list[tuple[str, float, str, bool]]:
    """What is asked of the server, by the median over rounds: what, the figure, what was asked, whether it is met."""

    def over_rounds(one: str, other: str, clients: int, key: str, other_place: int | None = None) -> list[Any]:
        place = next(at for at, load in enumerate(loads) if load.get("clients") == clients)
        other_rows = found[other][place if other_place is None else other_place]
        return [(mine[key], theirs[key]) for mine, theirs in zip(found[one][place], other_rows, strict=True)]

    def ratio(one: str, other: str, other_place: int | None = None) -> float:
        return float(np.median([mine / theirs for mine, theirs in over_rounds(one, other, 32, "per_s", other_place)]))

    plain, batching = "Sazón, REST", "Sazón, REST, batching"
    above_ms = float(np.median([mine - theirs for mine, theirs in over_rounds(plain, _BARE, 1, "p50_ms", 0)]))
    of_bare, of_mlflow = ratio(batching, _BARE, 1), ratio(batching, "mlflow models serve")
    of_fastapi = ratio(batching, "FastAPI + onnxruntime fp32")
    return [
        ("1 client, p50 above a bare call's (ms)", above_ms, "at most 1.0", above_ms <= 1.0),
        ("32 clients, batching: of the bare batch's throughput", of_bare, "at least 0.80", of_bare >= 0.8),
        ("32 clients, batching: x mlflow models serve", of_mlflow, "at least 5", of_mlflow >= 5),
        ("32 clients, batching: x FastAPI + onnxruntime fp32", of_fastapi, "more than 1", of_fastapi > 1),
    ]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return b"AVAILABLE" in answer.read() if "/v1/" in url else answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _processor_s(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in _family(pid))


def _memory_mb(pid: int) -> float:
    return sum(process.memory_info().rss for process in _family(pid)) / 1e6


def _named(load: Row) -> str:
    return f"{load['clients']} clients" if "clients" in load else f"{load['per_s']} a second"


def _table(found: dict[str, list[Row]], loads: list[Row]) -> str:
    head = ["load · server", "answers/s", "p50 ms", "p99 ms", "processor ms", "memory MB", "failed"]
    rows = []
    for place, load in enumerate(loads):
        for name, results in found.items():
            row = results[place]
            figures = [f"{row['per_s']:.0f}", f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}"]
            figures += [f"{row['processor_ms']:.1f}", f"{row['memory_mb']:.0f}", str(row["failed"])]
            rows.append([f"{_named(load)} · {name}", *figures])
    return table(head, rows)


def _plot(found: dict[str, list[Row]], limit: float, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, results in found.items():
        closed = [row for row in results if "clients" in row]
        style = "-o" if name.startswith("Sazón") else "--s"
        left.plot([row["clients"] for row in closed], [row["per_s"] for row in closed], style, label=name)
        right.plot([row["clients"] for row in closed], [row["p99_ms"] for row in closed], style, label=name)
    left.axhline(limit, color="gray", linewidth=0.8)
    left.set(xscale="log", xlabel="clients", ylabel="answers a second", title="gray: batches of 32 without a server")
    right.set(xscale="log", yscale="log", xlabel="clients", ylabel="p99 (ms)")
    left.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 and 32 clients, two seconds each, once; nothing kept")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a load in each round")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    seconds, rounds = (2.0, 1) if chosen.quick else (chosen.seconds, chosen.rounds)
    loads: list[Row] = [{"clients": count, "seconds": seconds} for count in CLIENTS]
    loads += [{"per_s": rate, "seconds": seconds} for rate in RATES]
    if chosen.quick:
        loads = [loads[0], loads[2]]
    import pandas as pd

    from models.export.interchange import write_format

    settings = load_settings()
    registry, served = Registry(settings.tracking_uri), settings.state.served / MODEL_NAME
    champion = registry.resolve(f"models:/{MODEL_NAME}@champion")
    texts = [str(text) for text in pd.read_csv(SAMPLE).query("split == 'test'")["text"].sample(400, random_state=0)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_format(registry.download_checkpoint(champion), folder / "onnx", "onnx")
        servers = sides(folder, str(champion.number), served, folder / "onnx")
        with bare_calls(served, texts) as bare, started(servers, folder, settings.tracking_uri) as pids:
            found = measure(servers, pids, bare, texts, loads, rounds)
    machine = describe_machine("tensorflow-cpu", "onnxruntime", "mlflow", "fastapi")
    medians = {name: [median(rows) for rows in of_loads] for name, of_loads in found.items()}
    one, many = medians.pop(_BARE)
    asked = compare(found, loads)
    verdicts = [[what, f"{figure:.2f}", wanted, "met" if met else "MISSED"] for what, figure, wanted, met in asked]
    text = f"""# Serving

{table(["asked of it", "measured", "asked", ""], verdicts)}

{_table(medians, loads)}

{_BARE}: one text p50 {one["p50_ms"]:.1f} ms, p99 {one["p99_ms"]:.1f} ms; batches of 32: {many["per_s"]:.0f} texts/s.

`python -m benchmarks.serve`: medians of {rounds} rounds, in which all servers take turns; one text a request,
{seconds:.0f} s a load and round; texts of the sample's test split. *clients*: closed loop; *a second*: at a fixed rate,
times from when a request was due. *processor*: of the server, for each answer. The first table compares within rounds.
The load shares the machine. {machine["processor"]}, {machine["cores"]} cores; {machine["measured_at"]}."""
    print(text)
    if not chosen.quick:
        keep("serve", text, {"machine": machine, "figures": found})
        _plot(medians, many["per_s"], RESULTS / "serve.png")


if __name__ == "__main__":
    run_script(main)
