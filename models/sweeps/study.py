"""A sweep's Optuna study on disk: opened or made, checked to be the same search, mended after a kill."""

import json
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from models.sweeps.search_space import Values
from sazon.errors import UserError

_MADE_OF: Final = "made_of"
_REPEATS: Final = "repeats"
_PRUNED_FROM_EPOCH: Final = 2
FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def open_study(path: Path, made_of: dict[str, Any], first: Values | None, seed: int) -> optuna.Study:
    """Opens the study of a sweep, or makes it.

    Args:
        path: SQLite file; the study has its name.
        made_of: what scores depend on beside a trial's values; the keys are words for people.
        first: values of the first trial of a new study: those in use, so that the best is never worse than them.
        seed: of the sampler.

    Raises:
        UserError: the study is one of something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.disable_default_handler()  # the log file has it all
    optuna.logging.enable_propagation()
    study = optuna.create_study(
        study_name=path.stem,
        storage=f"sqlite:///{path}",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_warmup_steps=_PRUNED_FROM_EPOCH - 1),
        load_if_exists=True,
    )
    # The same seed would draw the same values again in a study that goes on.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    known, wanted = study.user_attrs.get(_MADE_OF), json.loads(json.dumps(made_of))
    if known is None:
        study.set_user_attr(_MADE_OF, wanted)
        if first:
            study.enqueue_trial(first)
        return study
    for part, value in wanted.items():
        if known[part] != value:
            raise UserError(f'sweep "{path.stem}" has other {part}: choose another --name, or delete {path}')
    return study


def end_killed_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Fails the trials that a killed process left running, and has their values tried again."""
    killed = study.get_trials(states=(TrialState.RUNNING,))
    for trial in killed:
        study.tell(trial.number, state=TrialState.FAIL)
        repeat(study, trial)
    return killed


def repeat(study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> None:
    """Enqueues the values of an interrupted trial, once: they may be what killed it."""
    if _REPEATS not in trial.user_attrs and trial.params:
        study.enqueue_trial(trial.params, user_attrs={_REPEATS: trial.number})


def count_done(study: optuna.Study) -> int:
    """Trials that need not be run any more; an interrupted one that is repeated counts once."""
    trials = study.get_trials(deepcopy=False)
    return sum(trial.state in FINISHED for trial in trials) - sum(_REPEATS in trial.user_attrs for trial in trials)
