"""A search for better settings of training: Optuna proposes, the Trainer measures on the eval split, MLflow keeps."""

import gc
import re
import shutil
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import optuna
from optuna.trial import TrialState
from tqdm import tqdm

from data.preparation import Dataset
from models.checkpoints.presets import Preset, resolve_preset
from models.sweeps.log import (
    Interrupted,
    end_killed_runs,
    end_trial_run,
    log_best,
    log_epoch,
    parent_run,
    start_trial_run,
)
from models.sweeps.material import Material
from models.sweeps.result import SweepResult, settings_fragment, summarise
from models.sweeps.search_space import SearchSpace
from models.sweeps.study import count_done, end_killed_trials, open_study, repeat
from models.training.fitting import Observer
from models.training.interruption import interruptions_noted
from models.training.recipe import complete
from models.training.state import Epoch
from sazon.errors import PipelineError, UserError
from sazon.home import remove_partials
from sazon.logging import get_logger, log_to_file
from sazon.memory import keep_freed_memory
from sazon.registry import TAG_DIGEST
from sazon.settings import Settings, TrainSettings

_LOG = get_logger("sweep")
_MOST_FAILURES: Final = 3


def sweep(dataset: Dataset, settings: Settings, name: str | None = None) -> SweepResult:
    """Searches; goes on where an interrupted sweep of the same name stopped.

    Args:
        dataset: trials train on its train split and are scored on its eval split; the test split is not read.
        settings: resolved settings; `sweep` says how much and where to search.
        name: of the sweep; by default made of the file's name, digest and preset.

    Raises:
        UserError: preset or search space cannot be used, the sweep is running, or its name belongs to another one.
        Interrupted: Ctrl-C; the same call goes on.
        PipelineError: trials fail one after another.
    """
    from filelock import FileLock, Timeout

    keep_freed_memory()
    space, preset = SearchSpace.of(settings.sweep.space), resolve_preset(settings.preset)
    name = name or _name(dataset, preset)
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f'--name "{name}": only letters, digits, "_", "-" and "." make a name')
    log_to_file(settings.state.logs / "sweep.jsonl")
    place = settings.state.root / "sweeps" / name
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place.parent / f"{name}.lock", timeout=0):
            return _Sweep(settings, space, preset, dataset, place).run()
    except Timeout:
        raise UserError(f'sweep "{name}" is running already: wait for it, or choose another --name') from None


def _name(dataset: Dataset, preset: Preset) -> str:
    parts = (Path(dataset.source).stem, dataset.digest[:8], preset.name.rstrip("/").rsplit("/", 1)[-1])
    return re.sub(r"[^\w.-]+", "-", "-".join(parts)).lstrip("-.")


@dataclass
class _Sweep:
    settings: Settings
    space: SearchSpace
    preset: Preset
    dataset: Dataset
    place: Path

    def run(self) -> SweepResult:
        size = self.settings.encoder or self.preset.encoder
        self.train = train = complete(self.settings.train, size, pretrained=self.preset.checkpoint is not None)
        fixed = train.model_dump(mode="json", exclude={*self.space.spans, "checkpoint_s"})
        made_of = {
            "data": self.dataset.name,
            "preset": self.preset.name,
            "encoder": size.model_dump(),
            "search space": self.space.as_dict(),
            "settings of training": fixed,
        }
        path = self.place.with_name(f"{self.place.name}.sqlite")
        self.study = open_study(path, made_of, self.space.values_of(train), train.seed)
        killed = end_killed_trials(self.study)
        remove_partials(self.place)
        self.material = Material.prepare(self.dataset, self.preset, size, self.place / "rows")
        tags = {TAG_DIGEST: self.dataset.digest, "data_source": self.dataset.source, "preset": self.preset.name}
        parameters = {f"encoder.{key}": value for key, value in size.model_dump().items()}
        parameters |= {f"train.{key}": value for key, value in fixed.items()}
        parameters |= {f"space.{key}": value for key, value in self.space.as_dict().items()}
        with parent_run(self.settings, self.study, tags | {"sweep": self.place.name}, parameters):
            end_killed_runs(killed)
            with interruptions_noted() as self.stop:
                self._run_trials()
            result = summarise(self.study, self.settings, self.dataset)
            log_best(self.study, settings_fragment(result, self.settings))
        shutil.rmtree(self.place)
        return result

    def _run_trials(self) -> None:
        wanted, timeout_s = self.settings.sweep.trials, self.settings.sweep.timeout_s
        done = count_done(self.study)
        if done:
            _LOG.info('sweep "%s" goes on: %d of %d trials are done', self.place.name, done, wanted)
        started_s, failures = time.monotonic(), 0
        self.bar = tqdm(
            total=wanted, initial=done, unit="trial", leave=False, file=sys.stderr, disable=None, desc="  sweep"
        )
        with closing(self.bar):
            while done < wanted and not (timeout_s and time.monotonic() - started_s >= timeout_s):
                failures = failures + 1 if self._run_trial() is TrialState.FAIL else 0
                done = count_done(self.study)
                self.bar.n = done
                self.bar.refresh()
                if failures == _MOST_FAILURES:
                    reason = self.study.trials[-1].user_attrs["error"]
                    raise PipelineError(f"{failures} trials failed one after another, the last with: {reason}")

    def _run_trial(self) -> TrialState:
        trial = self.study.ask()
        values = self.space.suggest(trial)
        start_trial_run(trial, values)
        started_s, interrupted = time.monotonic(), False
        state, score = TrialState.FAIL, None
        try:
            settings = TrainSettings.model_validate(self.train.model_dump() | values)
            fitted = self.material.fit(settings, self._observer(trial))
            state, score = TrialState.COMPLETE, max(epoch.score for epoch in fitted.epochs)
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
            raise
        except Exception as error:  # whatever these values brought about: too little memory, say
            trial.set_user_attr("error", " ".join(f"{type(error).__name__}: {error}".split())[:300])
            _LOG.debug("trial %d failed", trial.number + 1, exc_info=error)
        finally:
            self.study.tell(trial, score, state)
            end_trial_run(state, score, interrupted=interrupted)
            if interrupted:
                repeat(self.study, trial)
            keras.backend.clear_session()
            gc.collect()
        self._report(trial, time.monotonic() - started_s)
        return state

    def _observer(self, trial: optuna.Trial) -> Observer:
        def on_batch(done: int) -> None:
            if self.stop():
                raise Interrupted

        def on_epoch(epoch: Epoch) -> None:
            log_epoch(epoch)
            self.bar.set_postfix_str(f"trial {trial.number + 1}, epoch {epoch.number}")
            trial.report(epoch.score, epoch.number)
            if trial.should_prune():
                raise optuna.TrialPruned

        return Observer(on_batch, on_epoch)

    def _report(self, trial: optuna.Trial, seconds: float) -> None:
        seen = self.study.trials[trial.number]
        complete = [one for one in self.study.get_trials(deepcopy=False) if one.state is TrialState.COMPLETE]
        best = max(complete, key=lambda one: one.values[0], default=None)
        outcome = {
            TrialState.COMPLETE: lambda: f"score {seen.values[0]:.4f}",
            TrialState.PRUNED: lambda: f"pruned after epoch {seen.last_step} at {seen.value:.4f}",
            TrialState.FAIL: lambda: f"failed: {seen.user_attrs['error']}",
        }[seen.state]()
        so_far = f" · best {best.values[0]:.4f} (trial {best.number + 1})" if best else ""
        with tqdm.external_write_mode(file=sys.stderr):
            _LOG.info("  trial %d · %.0f s · %s%s", trial.number + 1, seconds, outcome, so_far)
