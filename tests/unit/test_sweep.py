from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from models.sweeps.search_space import DEFAULT, SearchSpace
from models.sweeps.study import count_done, end_killed_trials, open_study
from models.training.recipe import complete
from sazon.errors import SettingsError, UserError
from sazon.settings import EncoderSettings, SweepSettings, TrainSettings, load_settings

USUAL = complete(TrainSettings(), EncoderSettings(), pretrained=True)


def space_of(yaml: str, tmp_path, monkeypatch) -> SearchSpace:
    monkeypatch.chdir(tmp_path)
    Path("sazon.yaml").write_text(f"sweep: {{space: {yaml}}}\n")
    return SearchSpace.of(load_settings().sweep.space)


def test_the_default_space_holds_the_default_settings():
    """The first trial is what `sazon train` does, so a sweep's best is never worse."""
    values = SearchSpace.of({}).values_of(USUAL)
    assert values is not None and values.keys() == DEFAULT.keys()


def test_every_suggestion_is_a_valid_setting_and_covers_the_ends():
    space = SearchSpace.of({})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(50):
        values = space.suggest(study.ask())
        assert TrainSettings.model_validate(values).model_dump(include=set(values)) == values


def test_a_span_of_the_file_replaces_the_default(tmp_path, monkeypatch):
    yaml = "{learning_rate: {low: 1.0e-5, high: 1.0e-4, log: true}, batch_size: {choices: [8, 16]}}"
    space = space_of(yaml, tmp_path, monkeypatch)
    assert space.as_dict()["learning_rate"] == {"low": 1e-5, "high": 1e-4, "log": True}
    assert space.as_dict()["batch_size"] == {"choices": [8, 16]}
    assert space.spans["epochs"] == DEFAULT["epochs"]
    assert space.values_of(USUAL) is None


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("{lerning_rate: {low: 0.1, high: 0.2}}", "lerning_rate"),
        ("{seed: {choices: [1, 2]}}", "seed"),
        ("{dropout: {low: 0.1, high: 1.5}}", r"dropout: 1\.5"),
        ("{batch_size: {choices: [16, 16.5]}}", r"batch_size: 16\.5"),
        ("{dropout: {low: 0.3, high: 0.1}}", "low below high"),
        ("{dropout: {low: 0.3}}", "low below high"),
        ("{weight_decay: {low: 0, high: 0.1, log: true}}", "low must be above 0"),
        ("{dropout: {low: 0.1, high: 0.2, choices: [0.1]}}", "either choices"),
        ("{dropout: {choices: []}}", "dropout"),
    ],
)
def test_a_wrong_space_is_one_clear_line(yaml, message, tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match=message) as error:
        space_of(yaml, tmp_path, monkeypatch)
    assert "\n" not in str(error.value)


@pytest.fixture
def opened(tmp_path):
    def open_again(data="abc", first=None):
        return open_study(tmp_path / "mine.sqlite", {"data": data, "search space": {"a": [1, 2]}}, first, seed=13)

    return open_again


def test_a_study_begins_with_the_settings_in_use(opened):
    assert opened(first={"dropout": 0.25}).ask().suggest_float("dropout", 0, 1) == 0.25


def test_a_study_of_other_data_is_refused(opened):
    opened()
    with pytest.raises(UserError, match="has other data: choose another --name"):
        opened(data="other")


def test_a_killed_trial_is_failed_and_tried_again_once(opened):
    killed = opened().ask()
    value = killed.suggest_float("dropout", 0, 1)
    for repeats in (1, 0):
        study = opened()
        (ended,) = end_killed_trials(study)
        assert study.trials[ended.number].state is TrialState.FAIL
        waiting = study.get_trials(states=(TrialState.WAITING,))
        assert len(waiting) == repeats
        assert count_done(study) == 1 - repeats
        if repeats:
            assert study.ask().suggest_float("dropout", 0, 1) == value


def test_a_study_that_goes_on_does_not_draw_the_same_values_again(opened):
    drawn = []
    for _ in range(3):
        study = opened()
        trial = study.ask()
        drawn.append(trial.suggest_float("dropout", 0, 1))
        study.tell(trial, 0.5)
    assert len(set(drawn)) == 3
    assert count_done(opened()) == 3


def test_limits_of_a_sweep_are_checked():
    with pytest.raises(ValueError, match="trials"):
        SweepSettings(trials=0)
