"""What a sweep found, for people and for the next training."""

from dataclasses import dataclass
from typing import Any, Final

import optuna
import yaml
from optuna.trial import TrialState

from data.preparation import Dataset
from models.sweeps.log import RUN_ID, STATES
from models.sweeps.search_space import Values
from sazon.errors import PipelineError
from sazon.settings import PREFIX, Settings

_SHOWN: Final = 5


@dataclass(frozen=True)
class TrialResult:
    """A trial that went to its end; `number` counts from 1, `score` is that of its best epoch."""

    number: int
    score: float
    values: Values
    run_id: str


@dataclass(frozen=True)
class SweepResult:
    """The best trials, best first, and how many ended in which state."""

    name: str
    run_id: str
    digest: str
    source: str
    best: list[TrialResult]
    states: dict[str, int]


def summarise(study: optuna.Study, settings: Settings, dataset: Dataset) -> SweepResult:
    """Reads the outcome from the study.

    Raises:
        PipelineError: no trial came to its end.
    """
    trials = study.get_trials(deepcopy=False)
    complete = sorted((trial for trial in trials if trial.state is TrialState.COMPLETE), key=lambda one: -one.values[0])
    if not complete:
        reason = next((trial.user_attrs["error"] for trial in trials if "error" in trial.user_attrs), "time was up")
        raise PipelineError(f'sweep "{study.study_name}": no trial came to its end: {reason}')
    return SweepResult(
        name=study.study_name,
        run_id=study.user_attrs[RUN_ID],
        digest=dataset.digest,
        source=dataset.source,
        best=[
            TrialResult(trial.number + 1, trial.values[0], trial.params, trial.user_attrs[RUN_ID])
            for trial in complete[:_SHOWN]
        ],
        states={word: sum(trial.state is state for trial in trials) for state, word in STATES.items()},
    )


def best_settings(result: SweepResult, settings: Settings) -> dict[str, Any]:
    """Settings of training that the best trial had and that are not at their default, or were searched."""
    fixed = settings.train.model_dump(mode="json", exclude_defaults=True, exclude={"checkpoint_s"})
    return fixed | result.best[0].values


def settings_fragment(result: SweepResult, settings: Settings) -> str:
    """The settings of the best trial as a `sazon.yaml` holds them."""
    content: dict[str, Any] = {"preset": settings.preset, "train": best_settings(result, settings)}
    if settings.encoder:
        content["encoder"] = settings.encoder.model_dump(mode="json")
    head = f"# Sweep {result.name}, trial {result.best[0].number}: eval score {result.best[0].score:.4f}\n"
    return head + yaml.safe_dump(content, sort_keys=False)


def environment(result: SweepResult, settings: Settings) -> str:
    """The same as environment variables before a command."""
    return " ".join(f"{PREFIX}TRAIN__{name.upper()}={value}" for name, value in best_settings(result, settings).items())
