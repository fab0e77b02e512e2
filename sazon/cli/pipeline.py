"""`sazon pipeline`: training and ingest on Kubeflow: compile, submit, schedule, status, logs, cancel."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.kubeflow.client import KubeflowClient, Schedule
    from pipelines.kubeflow.run_details import RunState
    from sazon.settings import Settings

app = typer.Typer(help="Training and ingest on Kubeflow.", no_args_is_help=True)

Host = Annotated[str | None, typer.Option(help="Address of the Kubeflow Pipelines API.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Package = Annotated[Path, typer.Argument(help="What `sazon pipeline compile` or `compile-ingest` wrote.")]
Arguments = Annotated[list[str] | None, typer.Option("--arg", help="name=value of a pipeline parameter; repeat it.")]
Name = Annotated[str | None, typer.Option(help="Shown in Kubeflow.")]


@app.command("compile")
def compile_(
    data: Annotated[Path, typer.Option(help="Labelled feedback: CSV, JSON lines, Parquet or Excel.")],
    out: Annotated[Path, typer.Option(help="Where the pipeline goes, as YAML.")] = Path("pipeline.yaml"),
    files_to: Annotated[
        Path | None, typer.Option(help="New folder for the files that the volume claim must hold.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Encoder: tiny, small, a directory in transformers format, or a hub id.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most.")] = None,
    image: Annotated[str | None, typer.Option(help="Container image of steps on a GPU.")] = None,
    cpu_image: Annotated[str | None, typer.Option(help="Container image of all other steps.")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs of the trainer; 0: none.")] = None,
    cache: Annotated[
        bool | None, typer.Option("--cache/--no-cache", help="Whether unchanged steps may be answered from the cache.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Validate the data and write the pipeline for Kubeflow; nothing is sent."""
    given = {"image": image, "cpu_image": cpu_image, "gpus": gpus, "cache": cache}
    train = {"epochs": epochs, "least_steps": 0} if epochs else None  # so many and no more
    settings = _settings({name: value for name, value in given.items() if value is not None}, preset, train)
    from pipelines.kubeflow.post_compile.graph import tasks_of
    from pipelines.run_kubeflow import compile_pipeline
    from sazon.home import write_atomically

    compiled = compile_pipeline(data, settings)
    size = compiled.paths.copy_files(files_to) if files_to else None
    write_atomically(out, compiled.text)
    result = {
        "pipeline": str(out),
        "steps": list(tasks_of(compiled.ir)),
        "data": {"digest": compiled.dataset.digest, "rows": compiled.dataset.rows},
        "claim": {"name": settings.kubeflow.state_claim, "files": sorted(str(place) for place in compiled.paths.files)},
        "files_to": str(files_to) if files_to else None,
        "bytes": size,
    }
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else _compiled(result))


@app.command("compile-ingest")
def compile_ingest_(
    out: Annotated[Path, typer.Option(help="Where the pipeline goes, as YAML.")] = Path("ingest.yaml"),
    image: Annotated[str | None, typer.Option(help="Container image.")] = None,
    as_json: Json = False,
) -> None:
    """Write the pipeline that ingests what lies in a folder of the cluster; to be scheduled."""
    settings = _settings({"cpu_image": image} if image else {})
    from pipelines.kubeflow.ingest import compile_ingest
    from sazon.home import write_atomically

    write_atomically(out, compile_ingest(settings.kubeflow))
    claim = settings.kubeflow.incoming_claim
    result = {"pipeline": str(out), "claim": claim}
    text = f"{out}: takes what lies in the claim {claim}\nrepeat it with: sazon pipeline schedule {out} --cron "
    _print(result, text + '"15 * * * *"', as_json)


@app.command()
def submit(
    package: Package,
    host: Host = None,
    name: Name = None,
    arg: Arguments = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="--no-cache runs every step anew.")] = True,
    as_json: Json = False,
) -> None:
    """Start a compiled pipeline."""
    _check(package, arg)
    run = _connect(host).submit(package, arg or [], name, cache=cache)
    follow = f"follow it with: sazon pipeline status {run.run_id}"
    _print(_as_dict(run), f"run {run.run_id} is {run.state}; {follow}", as_json)


@app.command()
def schedule(
    package: Package,
    cron: Annotated[
        str | None,
        typer.Option(
            help='Five fields in UTC, such as "0 3 * * 1"; default: kubeflow.schedule, whatever the pipeline.'
        ),
    ] = None,
    host: Host = None,
    name: Name = None,
    arg: Arguments = None,
    as_json: Json = False,
) -> None:
    """Start a compiled pipeline again and again; a schedule of the same name is replaced."""
    from sazon.errors import UserError

    cron = _settings({"schedule": cron} if cron else {}).kubeflow.schedule
    if not cron:
        raise UserError('no schedule: give --cron "0 3 * * 1", or set kubeflow.schedule')
    _check(package, arg)
    made = _connect(host).schedule(package, arg or [], cron, name)
    ends = f"end it with: sazon pipeline cancel {made.schedule_id}"
    _print(asdict(made), f'"{made.name}" runs at {made.cron} (UTC); {ends}', as_json)


@app.command()
def status(
    run: Annotated[
        str | None, typer.Argument(help="Id of a run; without it, the latest runs and the schedules.")
    ] = None,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Show a run and its steps, or what there is."""
    client = _connect(host)
    if run:
        state = client.status(run)
        _print(_as_dict(state), _run_table(state), as_json)
        return
    runs, schedules = client.runs(), client.schedules()
    result = {"runs": [_as_dict(item) for item in runs], "schedules": [asdict(item) for item in schedules]}
    _print(result, _overview(runs, schedules), as_json)


@app.command()
def logs(
    run: Annotated[str, typer.Argument(help="Id of a run.")],
    step: Annotated[str, typer.Argument(help="Such as Trainer.")],
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Print what a step printed."""
    text = _connect(host).logs(run, step)
    _print({"run": run, "step": step, "lines": text.splitlines()}, text.rstrip("\n"), as_json)


@app.command()
def cancel(
    run: Annotated[str, typer.Argument(help="Id of a run or of a schedule.")],
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Stop a run, or end a schedule."""
    kind = _connect(host).cancel(run)
    told = "is being stopped" if kind == "run" else "has ended; runs that it started go on"
    _print({"canceled": run, "kind": kind}, f"{kind} {run} {told}", as_json)


def _settings(kubeflow: dict[str, Any], preset: str | None = None, train: dict[str, Any] | None = None) -> "Settings":
    from sazon.settings import load_settings

    return load_settings(kubeflow=kubeflow or None, preset=preset, train=train)


def _connect(host: str | None) -> "KubeflowClient":
    from pipelines.kubeflow.client import KubeflowClient

    return KubeflowClient.connect(_settings({"host": host} if host else {}).kubeflow)


def _check(package: Path, arguments: list[str] | None) -> None:
    """Before anything is connected to."""
    from pipelines.kubeflow.client import read_order

    read_order(package, arguments or [])


def _as_dict(run: "RunState") -> dict[str, Any]:
    return {**asdict(run), "created_at": _iso(run.created_at), "finished_at": _iso(run.finished_at)}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _print(result: dict[str, Any], text: str, as_json: bool) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)


def _compiled(result: dict[str, Any]) -> str:
    claim, folder = result["claim"], result["files_to"]
    lines = [f"{result['pipeline']}: {len(result['steps'])} steps, checked", f"the claim {claim['name']} must hold:"]
    lines += [f"  {place}" for place in claim["files"]]
    if folder:
        lines.append(f"{folder} holds them ({result['bytes'] / 1e6:.1f} MB): copy its content to the claim")
    else:
        lines.append("--files-to FOLDER writes them, to be copied to the claim")
    return "\n".join([*lines, f"start it with: sazon pipeline submit {result['pipeline']}"])


def _run_table(run: "RunState") -> str:
    lines = [f"{run.name} ({run.run_id}): {run.state}{f': {run.error}' if run.error else ''}"]
    for step in run.steps:
        seconds = "" if step.seconds is None else f"{step.seconds:,.0f} s"
        lines.append(f"  {step.name:<20} {step.state:<10} {seconds:>8}  {step.error}".rstrip())
    return "\n".join(lines)


def _overview(runs: "list[RunState]", schedules: "list[Schedule]") -> str:
    lines = [f"{run.run_id}  {run.state:<10} {_iso(run.created_at) or '':<25}  {run.name}" for run in runs]
    lines += [
        f"{item.schedule_id}  {'schedule' if item.enabled else 'off':<10} {item.cron:<25}  {item.name}"
        for item in schedules
    ]
    return "\n".join(lines) or "no runs and no schedules"
