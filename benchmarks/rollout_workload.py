"""Versions that are good or bad in one way, and the servers, gateway and visitors to roll them out on."""

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from sazon.home import Home, write_atomically
from sazon.registry import CHAMPION, Registry, Version
from sazon.schema import MODEL_NAME, TASTES
from sazon.settings import RolloutSettings, Settings
from serving.rollout.controller import Controller
from serving.rollout.documents import FileDocument
from serving.rollout.publishing import publish
from serving.rollout.server_control import PolledServers
from serving.rollout.store import Rollout, RolloutStore
from serving.rollout.workplace import Workplace

ROOT: Final = Path(__file__).parents[1]
KINDS: Final = ("good", "slow", "permuted", "leaking", "crashing")
SLEEP_MS: Final = 25
LEAK: Final = 20
"""One text in so many fails."""
QUICK: Final[dict[str, Any]] = {
    "steps": (0.5, 0.75),
    "shadow_share": 0.5,
    "error_margin": 0.02,
    "median_margin": 0.25,
    "tail_margin": 0.1,
    "drift_margin": 0.25,
    "min_samples": 50,
    "poll_s": 0.2,
    "settle_s": 0.4,
    "step_timeout_s": 90.0,
    "replay_texts": 0,
}
"""Settings of a rollout that a few hundred calls decide."""
_START_S: Final = 90.0
_GATEWAY: Final = """
import sys
from pathlib import Path
from sazon.logging import configure_logging
from sazon.quiet import quiet_libraries
quiet_libraries()
from serving.gateway.config import GatewayConfig
from serving.gateway.server import run
configure_logging()
run(GatewayConfig(sys.argv[1], timeout_s=5.0, traffic=Path(sys.argv[2])), "127.0.0.1", int(sys.argv[3]))
"""


def export(folder: Path, kind: str) -> Path:
    """Writes a SavedModel with the taste signature that tells sentiment and tastes from a hash of the text.

    Args:
        folder: becomes the SavedModel.
        kind: `champion`, `good` (says something else for 3% of texts), `slow` (25 ms more), `permuted` (another
            order of the sentiments), `leaking` (fails on 5% of texts), `crashing` (its graph is damaged).
    """
    import tensorflow as tf
    from tensorflow.python.data.experimental.ops import testing

    class Toy(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])  # type: ignore[misc]
        def serve(self, text: Any) -> dict[str, Any]:
            number = tf.strings.to_hash_bucket_fast(text, 300)
            klass = number % 3
            if kind == "good":
                klass = tf.where(number < 9, (klass + 1) % 3, klass)
            if kind == "permuted":
                klass = (klass + 1) % 3
            checks = []
            if kind == "slow":
                pause = tf.data.Dataset.from_tensors(0).apply(testing.sleep(1000 * SLEEP_MS))
                checks.append(pause.reduce(0, lambda _, value: value))
            if kind == "leaking":
                bad = tf.reduce_any(tf.strings.to_hash_bucket_strong(text, LEAK, [1, 2]) == 0)
                checks.append(tf.debugging.Assert(tf.logical_not(bad), ["leak"]))
            with tf.control_dependencies(checks):
                probs = tf.one_hot(klass, 3, 0.8, 0.1)
            spicy = number % 2 == 0
            return {
                "sentiment": tf.gather(["negative", "neutral", "positive"], klass),
                "sentiment_probs": probs,
                "tastes": tf.where(spicy, "picante", ""),
                "taste_probs": tf.where(spicy[:, None], [[0.9] * len(TASTES)], [[0.1] * len(TASTES)]),
            }

    module = Toy()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    if kind == "crashing":
        graph = folder / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[:-200])
    return folder


@dataclass(frozen=True)
class FileRegistry:
    """Aliases and log in a file, versions in folders: what a rollout asks of a registry, without MLflow's start."""

    folder: Path

    def resolve(self, uri: str | None) -> Version:
        """Any number, blessed."""
        return Version(int(str(uri).rsplit("/", 1)[1]), "run", "blessed", "")

    def download(self, version: Version) -> Path:
        """Where `export` put it."""
        return self.folder / str(version.number)

    def with_alias(self, alias: str) -> Version | None:
        """As the real one."""
        number = self._read()["aliases"].get(alias)
        return Version(number, "run", "blessed", "") if number else None

    def set_alias(self, alias: str, number: int) -> None:
        """As the real one."""
        content = self._read()
        content["aliases"][alias] = number
        self._write(content)

    def drop_alias(self, alias: str) -> None:
        """As the real one."""
        content = self._read()
        content["aliases"].pop(alias, None)
        self._write(content)

    def log_promotion(self, key: str, entry: dict[str, Any]) -> None:
        """As the real one."""
        content = self._read()
        content["log"].setdefault(key, entry)
        self._write(content)

    def promotions(self) -> list[dict[str, Any]]:
        """As the real one."""
        return list(self._read()["log"].values())

    def _read(self) -> dict[str, Any]:
        path = self.folder / "registry.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"aliases": {}, "log": {}}
        return found

    def _write(self, content: dict[str, Any]) -> None:
        write_atomically(self.folder / "registry.json", json.dumps(content))


class Process:
    """A child that says on stderr when it is ready; stopped by its own pid."""

    def __init__(self, arguments: list[str], ready: str) -> None:
        self.popen = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._ready, self._mark = threading.Event(), ready
        threading.Thread(target=self._read, daemon=True).start()

    def words(self) -> list[str]:
        """Of the line that says it is ready."""
        self._ready.wait(_START_S)
        line = next((line for line in self.lines if self._mark in line), None)
        if line is None:
            raise RuntimeError(f"not ready: {self.lines[-5:]}")
        return line.replace(",", "").split()

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.lines.append(line.rstrip())
            if self._mark in line:
                self._ready.set()
        self._ready.set()


def start_model_server(base_path: Path, port: int = 0, config_file: Path | None = None) -> tuple[Process, str]:
    """A model server over a directory of versions, or as a file says; and where it listens for gRPC."""
    flags = ["--model_name", MODEL_NAME, "--model_base_path", str(base_path)]
    if config_file is not None:
        flags = ["--model_config_file", str(config_file), "--model_config_file_poll_wait_seconds", "0.3"]
        flags += ["--allow_version_labels_for_unavailable_models"]
    flags += ["--rest_api_port", "0", "--port", str(port), "--file_system_poll_wait_seconds", "0.2"]
    flags += ["--max_num_load_retries", "0"]
    process = Process(["-m", "serving.model_server", *flags], "model server ready")
    words = process.words()
    return process, words[words.index("gRPC") + 1]


def start_gateway(model_grpc: str, traffic: Path, port: int = 0) -> tuple[Process, str]:
    """A gateway, and its URL."""
    process = Process(["-c", _GATEWAY, model_grpc, str(traffic), str(port)], "gateway ready")
    return process, next(word for word in process.words() if word.startswith("http://"))


@dataclass
class Stack:
    """A served champion with a gateway in front, on a state directory of its own.

    Attributes:
        home: the state directory.
        models: where the versions lie, `<kind>/`.
        config_file: which the model server polls; None: it is told over gRPC.
    """

    home: Path
    models: Path
    config_file: Path | None = None
    server: Process = field(init=False)
    gateway: Process = field(init=False)
    grpc: str = field(init=False)
    url: str = field(init=False)

    @property
    def registry(self) -> FileRegistry:
        """Version 1 is the champion; `enter` adds others."""
        return FileRegistry(self.home / "registry")

    def start(self) -> "Stack":
        """Publishes the champion and starts the processes."""
        self.enter(1, "champion")
        self.registry.set_alias(CHAMPION, 1)
        publish(self.models / "champion", 1, Home(self.home).served)
        base_path = Home(self.home).served / MODEL_NAME
        if self.config_file is not None:
            PolledServers(tuple, str(base_path), FileDocument(self.config_file)).assign([1], {})
        self.server, self.grpc = start_model_server(base_path, config_file=self.config_file)
        self.gateway, self.url = start_gateway(self.grpc, Home(self.home).traffic)
        return self

    def enter(self, number: int, kind: str) -> None:
        """Registers a version."""
        self.registry.folder.mkdir(parents=True, exist_ok=True)
        (self.registry.folder / str(number)).symlink_to(self.models / kind)

    def restart_server(self) -> None:
        """Kills it and starts another at the same port."""
        self.server.kill()
        port = int(self.grpc.rsplit(":", 1)[1])
        self.server, _ = start_model_server(Home(self.home).served / MODEL_NAME, port, self.config_file)

    def restart_gateway(self) -> None:
        """Kills it and starts another at the same port."""
        self.gateway.kill()
        self.gateway, _ = start_gateway(self.grpc, Home(self.home).traffic, int(self.url.rsplit(":", 1)[1]))

    def stop(self) -> None:
        """Ends both processes."""
        self.gateway.stop()
        self.server.stop()

    def place(self, tell: Callable[[str], None], **chosen: Any) -> Workplace:
        """What a controller needs; `chosen` are settings of the rollout."""
        known: dict[str, Any] = {"model_servers": (self.grpc,), "metrics_urls": (f"{self.url}/metrics",)}
        known["model_config_file"] = self.config_file
        settings = Settings(home=self.home, rollout=RolloutSettings(**{**QUICK, **known, **chosen}))
        return Workplace.of(settings, cast(Registry, self.registry), tell)

    def roll_out(self, number: int, tell: Callable[[str], None] = print, **chosen: Any) -> Rollout:
        """Runs a rollout to its end in this process, an unfinished one first of all."""
        store = RolloutStore(Home(self.home).rollouts)
        with store.control():
            controller = Controller(self.place(tell, **chosen), store)
            return controller.run(store.unfinished() or controller.begin(number, "visitor"))

    def roll_out_and_die(self, number: int, die_at: str, chosen: dict[str, Any]) -> None:
        """As `roll_out`, but the process is killed before the action whose announcement begins with `die_at`."""

        def tell(text: str) -> None:
            if text.startswith(die_at):
                os.kill(os.getpid(), signal.SIGKILL)

        self.roll_out(number, tell, **chosen)


@dataclass
class Visitors:
    """Ask a gateway, each one request at a time, and count who answered."""

    url: str
    count: int = 4
    pause_s: float = 0.0
    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Visitors":
        for number in range(self.count):
            thread = threading.Thread(target=self._ask, args=(number,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        for turn in itertools.count():
            if self._stop.is_set():
                return
            body = json.dumps({"text": f"rico ceviche {number} {turn}"})
            try:
                connection.request("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, ValueError, http.client.HTTPException) as error:
                connection.close()
                self.failed.append(repr(error))
                time.sleep(0.05)
                continue
            if response.status == 200:
                self.answered[answer["model_version"]] += 1
            else:
                self.failed.append(f"{response.status} {answer}")
            time.sleep(self.pause_s)
