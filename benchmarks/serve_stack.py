"""A real model behind model server and, where asked for, gateway: processes of their own, and what they take."""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from data import SAMPLE
from sazon.errors import SettingsError
from sazon.processes import GIVES_WAY, Processes, answers, free_port
from sazon.schema import MODEL_NAME
from sazon.settings import load_settings
from serving.rollout.publishing import publish

_READY_S: Final = 120.0
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class ServedModel:
    """A running stack.

    Attributes:
        folder: for files of the benchmark's own.
        served: where versions are published, `taste/<version>/`.
        rest: port of the model server.
        grpc: port of the model server.
        gateway: port of the gateway; 0 for none.
        pids: of the processes by name.
    """

    folder: Path
    served: Path
    rest: int
    grpc: int
    gateway: int
    pids: dict[str, int]

    def memory_mb(self, name: str) -> float:
        """Resident memory of a server and its children."""
        return sum(process.memory_info().rss for process in _family(self.pids[name])) / 1e6

    def processor_s(self, name: str) -> float:
        """Time on the processor since the start."""
        return sum(sum(process.cpu_times()[:2]) for process in _family(self.pids[name]))

    def log(self, name: str) -> str:
        """What a server has said so far."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")


@contextmanager
def serve_model(model: Path, workers: int = 0) -> Iterator[ServedModel]:
    """Publishes a SavedModel as version 1 and starts the servers as `sazon up` does; stops them in the end.

    Args:
        model: a SavedModel with the taste signature.
        workers: processes of the gateway; 0 for no gateway.
    """
    with tempfile.TemporaryDirectory(prefix="sazon-bench.") as name:
        folder = Path(name)
        publish(model, 1, folder / "served")
        processes = Processes(folder / "logs")
        try:
            yield _start(processes, folder, workers)
        finally:
            processes.stop()


def _start(processes: Processes, folder: Path, workers: int) -> ServedModel:
    rest, rpc, gateway = (free_port(_HOST, 0) for _ in range(3))
    command = [sys.executable, "-m", "serving.model_server", f"--model_name={MODEL_NAME}", f"--rest_api_port={rest}"]
    command += [f"--port={rpc}", f"--model_base_path={folder / 'served' / MODEL_NAME}"]
    command.append("--enable_batching")
    pids = {"server": processes.start("server", command, {}, GIVES_WAY).pid}
    processes.wait_until("server", lambda: answers(f"http://{_HOST}:{rest}/v1/models/{MODEL_NAME}"), _READY_S)
    if workers:
        command = [sys.executable, "-m", "sazon.cli.main", "app", f"--port={gateway}", f"--model-grpc={_HOST}:{rpc}"]
        settings = {"SAZON_HOME": str(folder / "home"), "SAZON_GATEWAY__WORKERS": str(workers)}
        pids["gateway"] = processes.start("gateway", command, settings).pid
        processes.wait_until("gateway", lambda: answers(f"http://{_HOST}:{gateway}/readyz"), _READY_S)
    return ServedModel(folder, folder / "served", rest, rpc, gateway if workers else 0, pids)


def busy_s() -> float:
    """Processor time that the whole machine has spent, on anything, since its start."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def find_model(given: str | None) -> Path:
    """The SavedModel to measure: the given one, else the newest that is served from the state directory.

    Raises:
        SettingsError: there is none.
    """
    if given:
        if not (Path(given) / "saved_model.pb").exists():
            raise SettingsError(f"{given}: no saved_model.pb there (--model wants the directory of a SavedModel)")
        return Path(given)
    served = load_settings().state.served / MODEL_NAME
    versions = [path for path in served.glob("*") if re.fullmatch(r"\d+", path.name)]
    if not versions:
        raise SettingsError(f"{served}: no version there; `make run` makes one, or name one with --model")
    return max(versions, key=lambda path: int(path.name))


def sample_texts(count: int = 400) -> list[str]:
    """Texts of the sample's test split, always the same."""
    import pandas as pd

    rows = pd.read_csv(SAMPLE).query("split == 'test'")["text"]
    return [str(text) for text in rows.sample(count, random_state=0)]


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
