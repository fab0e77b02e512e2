"""`sazon sweep`: search for better settings of training, here or as a Katib experiment."""

import json
import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models.sweeps.result import SweepResult
    from sazon.settings import Settings

_INTERRUPTED = 130


def sweep(
    data: Annotated[Path, typer.Option(help="Labelled feedback; with --katib, its path in the pods.")],
    trials: Annotated[int | None, typer.Option(min=1, help="Trials in all.")] = None,
    timeout_s: Annotated[float | None, typer.Option(help="No trial starts after so many seconds.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Encoder: tiny, small, a directory in transformers format, or a hub id.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the sweep; the same name goes on.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of every trial, instead of searching.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the best settings here, as sazon.yaml.")] = None,
    katib: Annotated[Path | None, typer.Option(help="Write a Katib experiment here; nothing is run.")] = None,
    image: Annotated[str | None, typer.Option(help="Of Katib's trials; default: kubeflow.image.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Search for better settings of training; every trial is a run in MLflow."""
    settings = _settings(trials, timeout_s, preset, epochs)
    if katib:
        _write_experiment(katib, image, data, settings, name)
        return
    _refuse_existing(write)
    from data.preparation import prepare_dataset

    # Before the heavy imports, so that a mistake in the file is told at once.
    dataset = prepare_dataset(data, settings.state.datasets, settings.split, context=settings.train.context)
    os.environ["KERAS_BACKEND"] = settings.train.backend  # before keras is imported

    from data.keeping import keeping
    from models.sweeps.log import Interrupted
    from models.sweeps.result import settings_fragment
    from models.sweeps.run import sweep as run
    from sazon.home import write_atomically

    try:
        with keeping(data, dataset, settings):
            result = run(dataset, settings, name)
    except Interrupted:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    if write:
        write_atomically(write, settings_fragment(result, settings))
    typer.echo(json.dumps(asdict(result), ensure_ascii=False) if as_json else _for_people(result, data, settings))


def _settings(trials: int | None, timeout_s: float | None, preset: str | None, epochs: int | None) -> "Settings":
    from sazon.settings import Span, load_settings

    chosen = {"trials": trials, "timeout_s": timeout_s}
    given: dict[str, Any] = {key: value for key, value in chosen.items() if value is not None}
    if epochs is None:
        return load_settings(preset=preset, sweep=given or None)
    # So many and no more, as for `sazon train`.
    settings = load_settings(preset=preset, train={"epochs": epochs, "least_steps": 0}, sweep=given or None)
    space = {**settings.sweep.space, "epochs": Span(choices=(epochs,))}
    return settings.model_copy(update={"sweep": settings.sweep.model_copy(update={"space": space})})


def _write_experiment(path: Path, image: str | None, data: Path, settings: "Settings", name: str | None) -> None:
    from pipelines.katib import write_experiment

    _refuse_existing(path)
    kubeflow = settings.kubeflow
    write_experiment(path, image or (kubeflow.image if kubeflow.gpus else kubeflow.cpu_image), data, settings, name)
    typer.echo(f"{path} is written; start it with: kubectl create -f {path}")


def _refuse_existing(path: Path | None) -> None:
    from sazon.errors import UserError

    if path and path.exists():
        raise UserError(f"{path} exists already: name a new file")


def _for_people(result: "SweepResult", data: Path, settings: "Settings") -> str:
    """The best trials side by side, and how to train with the first."""
    from models.sweeps.result import environment

    best = result.best
    rows = [("", [f"trial {trial.number}" for trial in best])]
    rows.append(("eval score", [f"{trial.score:.4f}" for trial in best]))
    rows += [(key, [f"{trial.values[key]:.4g}" for trial in best]) for key in best[0].values]
    lines = [f"{label:<18}" + "".join(f"{cell:>12}" for cell in cells) for label, cells in rows]
    counts = ", ".join(f"{count} {state}" for state, count in result.states.items() if count)
    command = f"sazon train --data {shlex.quote(str(data))} --preset {shlex.quote(settings.preset)}"
    return "\n".join([*lines, "", f"{counts}; train with the best:", f"{environment(result, settings)} {command}"])
