"""A sweep as MLflow sees it: one parent run that is reopened when the sweep goes on, a nested run for each trial."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import mlflow
import optuna
from mlflow.exceptions import MlflowException
from optuna.trial import FrozenTrial, TrialState

from models.training.state import Epoch
from sazon.registry import Registry
from sazon.settings import Settings

EXPERIMENT: Final = "sweeps"
RUN_ID: Final = "mlflow_run_id"
STATES: Final = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
_STATUSES: Final = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "FINISHED", TrialState.FAIL: "FAILED"}


@contextmanager
def parent_run(
    settings: Settings, study: optuna.Study, tags: Mapping[str, str], parameters: Mapping[str, Any]
) -> Iterator[str]:
    """Makes the block the sweep's run; yields its id."""
    settings.state.mlflow_db.parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(settings.tracking_uri)
    location = None if settings.mlflow.tracking_uri else settings.state.mlflow_artifacts.as_uri()
    experiment = Registry(settings.tracking_uri).ensure_experiment(EXPERIMENT, location)
    run_id = _start(study, experiment)
    status = "FAILED"
    try:
        mlflow.set_tags(dict(tags))
        mlflow.log_params(
            {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
        )
        yield run_id
        status = "FINISHED"
    except (Interrupted, KeyboardInterrupt):
        status = "KILLED"
        raise
    finally:
        mlflow.end_run(status)


class Interrupted(Exception):
    """The sweep was asked to stop; the same command goes on."""


def start_trial_run(trial: optuna.Trial, values: Mapping[str, Any]) -> None:
    """Opens the nested run of a trial."""
    # A nested run is not by itself in its parent's experiment.
    experiment = mlflow.active_run().info.experiment_id
    run = mlflow.start_run(nested=True, experiment_id=experiment, run_name=f"trial {trial.number + 1}")
    trial.set_user_attr(RUN_ID, run.info.run_id)
    mlflow.set_tags({"sweep": trial.study.study_name, "trial": str(trial.number + 1)})
    mlflow.log_params({f"train.{name}": value for name, value in values.items()})


def log_epoch(epoch: Epoch) -> None:
    """A point of the trial's learning curve."""
    names = ("loss", "eval_loss", "eval_sentiment_macro_f1", "eval_tastes_macro_f1")
    figures = {name: getattr(epoch, name) for name in names} | {
        "eval_score": epoch.score,
        "epoch_seconds": epoch.seconds,
    }
    mlflow.log_metrics({name: value for name, value in figures.items() if value == value}, step=epoch.number)


def end_trial_run(state: TrialState, score: float | None, *, interrupted: bool) -> None:
    """Closes the nested run of a trial with its outcome."""
    if score is not None:
        mlflow.log_metric("best_eval_score", score)
    mlflow.set_tag("state", STATES[state])
    mlflow.end_run("KILLED" if interrupted else _STATUSES[state])


def end_killed_runs(trials: list[FrozenTrial]) -> None:
    """Closes the nested runs of trials that a killed process left."""
    for trial in trials:
        if run_id := trial.user_attrs.get(RUN_ID):
            try:
                client = mlflow.MlflowClient()
                client.set_tag(run_id, "state", STATES[TrialState.FAIL])
                client.set_terminated(run_id, "KILLED")
            except MlflowException:  # someone has deleted it
                continue


def log_best(study: optuna.Study, fragment: str) -> None:
    """Brings the parent run up to date: the best trial, its settings, plots of all trials."""
    best = study.best_trial
    mlflow.log_metric("best_eval_score", float(best.values[0]))
    mlflow.set_tags({"best_trial": str(best.number + 1), "best_run_id": best.user_attrs[RUN_ID]})
    mlflow.log_text(fragment, "best.yaml")
    for name, figure in _plot(study):
        mlflow.log_figure(figure, f"{name}.png", save_kwargs={"bbox_inches": "tight"})


def _plot(study: optuna.Study) -> Iterator[tuple[str, Any]]:
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as plots

    plt.switch_backend("Agg")
    for name, plot in (("history", plots.plot_optimization_history), ("parallel", plots.plot_parallel_coordinate)):
        plot(study)
        figure = plt.gcf()
        figure.set_size_inches(14, 6)
        yield name, figure
        plt.close(figure)


def _start(study: optuna.Study, experiment: str) -> str:
    """The study's run, reopened, or a new one."""
    known = study.user_attrs.get(RUN_ID)
    if known:
        try:
            return str(mlflow.start_run(run_id=known).info.run_id)
        except MlflowException:  # someone has deleted it
            mlflow.end_run()
    run = mlflow.start_run(experiment_id=experiment, run_name=study.study_name)
    study.set_user_attr(RUN_ID, run.info.run_id)
    return str(run.info.run_id)
