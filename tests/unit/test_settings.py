import pytest

from sazon.errors import SettingsError
from sazon.settings import load_settings


def test_flags_beat_environment_beats_file_beats_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sazon.yaml").write_text("train: {epochs: 3, batch_size: 7, seed: 5}\n")
    monkeypatch.setenv("SAZON_TRAIN__EPOCHS", "4")
    monkeypatch.setenv("SAZON_TRAIN__BATCH_SIZE", "8")
    train = load_settings(train={"epochs": 5}).train
    assert (train.epochs, train.batch_size, train.seed, train.patience) == (5, 8, 5, 3)


@pytest.mark.parametrize("content", ["trian: {epochs: 3}", "train: {epoch: 3}", "train: {epochs: 0}", "train: [", "3"])
def test_a_wrong_file_is_one_clear_line(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sazon.yaml").write_text(content)
    with pytest.raises(SettingsError):
        load_settings()


@pytest.mark.parametrize("name", ["SAZON_EPOCHS", "SAZON_TRIAN__EPOCHS", "SAZON_TRAIN__EPOCH"])
def test_an_unknown_variable_is_refused(monkeypatch, name):
    monkeypatch.setenv(name, "3")
    with pytest.raises(SettingsError, match=r"(?i)epoch"):
        load_settings()
