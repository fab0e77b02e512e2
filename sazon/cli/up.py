"""`sazon up`: from the data to a served model with its registry and page, in one command."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sazon.errors import PipelineError, ServingError, UserError
from sazon.logging import get_logger
from sazon.schema import MODEL_NAME

if TYPE_CHECKING:
    from sazon.processes import Processes
    from sazon.settings import Settings

_LOG = get_logger("up")
_EXAMPLE = "El ceviche estuvo buenazo pero demasiado picante"
_PRODUCT, _REGION = "ceviche", "Lima"
_START_S = 90.0


@dataclass(frozen=True)
class Addresses:
    """Where everything listens."""

    mlflow: str
    rest: str
    grpc: str
    gateway: str

    def as_dict(self) -> dict[str, str]:
        """For JSON and for people."""
        return {
            "page": f"{self.gateway}/",
            "gateway": f"{self.gateway}/api/v1/predict",
            "model_rest": f"{self.rest}/v1/models/{MODEL_NAME}",
            "model_grpc": self.grpc,
            "mlflow": self.mlflow,
            "metrics": f"{self.gateway}/metrics",
        }


def up(
    data: Annotated[Path | None, typer.Option(help="Labelled feedback; the shipped sample by default.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Encoder: tiny, small, a directory in transformers format, or a hub id.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Check the whole chain, print a summary, stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
) -> None:
    """Validate, train, register, roll out and serve; stays until Ctrl-C. Unchanged steps are reused."""
    from data import SAMPLE
    from data.preparation import prepare_dataset
    from models.checkpoints.presets import resolve_preset
    from sazon.processes import Processes
    from sazon.settings import load_settings

    settings = load_settings(preset=preset)
    source = data or SAMPLE
    resolve_preset(settings.preset)  # an unknown preset is refused before anything starts
    started_s = time.monotonic()
    # A bad file is refused before anything starts.
    prepare_dataset(source, settings.state.datasets, settings.split, context=settings.train.context)
    processes = Processes(settings.state.logs)
    with _stopping_cleanly(processes):
        addresses = _choose_addresses(settings)
        seconds = {"validate": time.monotonic() - started_s}
        if not settings.mlflow.tracking_uri:
            with _timed(seconds, "mlflow"):
                _start_mlflow(processes, settings, addresses)
        with _timed(seconds, "pipeline"):
            trained = _train(settings, addresses, source, preset, epochs)
        with _timed(seconds, "serve"):
            _start_serving(processes, settings, addresses, trained["reason"])
        with _timed(seconds, "check"):
            summary = {**_check(addresses), "training": trained}
        seconds["total"] = time.monotonic() - started_s
        summary = {"status": "ready", **summary, "seconds": seconds, "urls": addresses.as_dict(), "note": _note(data)}
        if as_json:
            typer.echo(json.dumps(summary, ensure_ascii=False))
        _show(addresses, summary)
        if not once:
            _watch(processes)


def _note(data: Path | None) -> str:
    return "trained on the synthetic sample: figures say nothing of real consumers" if data is None else ""


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started_s = time.monotonic()
    yield
    seconds[step] = time.monotonic() - started_s


@contextlib.contextmanager
def _stopping_cleanly(processes: "Processes") -> Iterator[None]:
    """Ctrl-C and SIGTERM end the servers in order; a second Ctrl-C while they stop is ignored."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        processes.stop()


def _choose_addresses(settings: "Settings") -> Addresses:
    """The usual ports, or free ones where somebody else listens there."""
    from sazon.processes import free_port

    serving, gateway = settings.serving, settings.gateway
    wanted = {
        "MLflow": ("127.0.0.1", settings.mlflow.port),
        "model REST": (serving.host, serving.rest_port),
        "model gRPC": (serving.host, serving.grpc_port),
        "gateway": (gateway.host, gateway.port),
    }
    places = []
    for name, (host, preferred) in wanted.items():
        port = free_port(host, preferred)
        if preferred not in (0, port):
            _LOG.info("port %d is taken, %s uses %d", preferred, name, port)
        places.append(f"{host}:{port}")
    mlflow, rest, grpc, page = places
    return Addresses(settings.mlflow.tracking_uri or f"http://{mlflow}", f"http://{rest}", grpc, f"http://{page}")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sazon.cli.main", *arguments]


def _port(address: str) -> str:
    return address.rsplit(":", 1)[1]


def _start_mlflow(processes: "Processes", settings: "Settings", addresses: Addresses) -> None:
    from sazon.processes import answers

    home = {"SAZON_HOME": str(settings.state.root)}
    processes.start("mlflow", _command("mlflow", "--port", _port(addresses.mlflow)), home)
    processes.wait_until("mlflow", lambda: answers(f"{addresses.mlflow}/health"), _START_S)


def _train(
    settings: "Settings", addresses: Addresses, source: Path, preset: str | None, epochs: int | None
) -> dict[str, Any]:
    """Runs the pipeline in a process of its own: TFX and TensorFlow leave with it."""
    arguments = ["train", "--data", str(source), "--json"]
    arguments += ["--preset", preset] if preset else []
    arguments += ["--epochs", str(epochs)] if epochs else []
    environment = {
        **os.environ,
        "SAZON_HOME": str(settings.state.root),
        "SAZON_MLFLOW__TRACKING_URI": addresses.mlflow,
    }
    from sazon.processes import die_with_parent

    child = subprocess.Popen(
        _command(*arguments),
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        output, _ = child.communicate()
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    if child.returncode == UserError.exit_code:
        raise UserError("the pipeline refused its input or settings (reason above)")
    if child.returncode != 0:
        raise PipelineError("the pipeline failed; nothing was rolled out")
    result: dict[str, Any] = json.loads(output)
    return result


def _start_serving(processes: "Processes", settings: "Settings", addresses: Addresses, reason: str) -> None:
    from sazon.processes import GIVES_WAY, answers

    folder = settings.state.served / MODEL_NAME
    if not any(path.name.isdigit() for path in (folder.iterdir() if folder.exists() else ())):
        raise ServingError(f"the model was rejected and no earlier version is there to serve; {reason}")
    home = {"SAZON_HOME": str(settings.state.root)}
    ports = ("--rest_api_port", _port(addresses.rest), "--port", _port(addresses.grpc))
    processes.start("model-server", _command("serve", *ports, "--enable_batching"), home, GIVES_WAY)
    gateway = ("app", "--port", _port(addresses.gateway), "--model-grpc", addresses.grpc)
    processes.start("gateway", _command(*gateway), home)
    processes.wait_until("model-server", lambda: answers(f"{addresses.rest}/v1/models/{MODEL_NAME}"), _START_S)
    processes.wait_until("gateway", lambda: answers(f"{addresses.gateway}/readyz"), _START_S)


def _check(addresses: Addresses) -> dict[str, Any]:
    """Asks for one prediction on every way in, and reads the metrics."""
    from sazon.cli import probes

    rest = probes.predict_rest(addresses.rest, _EXAMPLE)
    grpc = probes.predict_grpc(addresses.grpc, _EXAMPLE)
    gateway = probes.predict_gateway(addresses.gateway, _EXAMPLE, _PRODUCT, _REGION)
    answer = gateway["predictions"][0]
    return {
        "version": int(gateway["model_version"]),
        "prediction": {"text": _EXAMPLE, "sentiment": answer["sentiment"], "tastes": answer["tastes"]},
        "answers": {"rest": rest, "grpc": grpc, "gateway": gateway},
        "metrics": probes.read_metrics(addresses.gateway),
    }


def _show(addresses: Addresses, summary: dict[str, Any]) -> None:
    from sazon.cli.tables import comparison

    prediction, figures = summary["prediction"], dict(summary["training"]["figures"])
    _LOG.info("\n%s\n", comparison({"BERT": figures.pop("taste"), **figures}))
    training = summary["training"]
    _LOG.info("version %d %s: %s\n", training["version"], training["status"], training["reason"])
    if training["version"] != summary["version"]:
        _LOG.info("version %d keeps serving, version %d is not rolled out\n", summary["version"], training["version"])
    for step, spent_s in summary["seconds"].items():
        _LOG.info("  %-10s %6.1f s", step, spent_s)
    _LOG.info("\nready: model version %d%s\n", summary["version"], f" ({summary['note']})" if summary["note"] else "")
    for name, url in addresses.as_dict().items():
        _LOG.info("  %-11s %s", name, url)
    _LOG.info("\n  curl -s %s/api/v1/predict -H 'Content-Type: application/json' \\", addresses.gateway)
    _LOG.info("       -d '%s'", json.dumps({"text": _EXAMPLE}, ensure_ascii=False))
    _LOG.info("  → %s; %s\n", prediction["sentiment"], ", ".join(prediction["tastes"]) or "no taste named")


def _watch(processes: "Processes") -> None:
    """Stays until Ctrl-C; a server that ends by itself is an error."""
    _LOG.info("Ctrl-C stops everything.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)
            ended = processes.first_ended()
            if ended:
                raise ServingError(f"{ended[0]} ended by itself with exit code {ended[1]}; see its log")
    _LOG.info("stopping …")
