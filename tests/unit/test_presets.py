import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from models.checkpoints import presets
from models.checkpoints.presets import resolve_preset
from sazon.errors import UserError
from sazon.settings import PRESETS

FIXTURE = Path(__file__).parents[1] / "fixtures" / "bert"
HUB_ID = "owner/bert"


def test_a_shipped_size_starts_from_scratch_until_weights_are_shipped(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(presets, "SHIPPED", tmp_path)
    assert resolve_preset("tiny") == presets.Preset("tiny", PRESETS["tiny"], None)
    (tmp_path / "tiny").symlink_to(FIXTURE)
    preset = resolve_preset("tiny")
    assert preset.checkpoint == FIXTURE and preset.encoder.hidden == 32


def test_a_directory_is_a_preset_wherever_it_lies(monkeypatch):
    assert resolve_preset(str(FIXTURE)).checkpoint == FIXTURE
    monkeypatch.chdir(FIXTURE.parent)
    assert resolve_preset("bert").checkpoint == FIXTURE
    assert resolve_preset("../fixtures/bert").checkpoint == FIXTURE


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_hub_id_is_fetched_without_what_is_not_needed(weights: str, monkeypatch, tmp_path: Path):
    (tmp_path / "config.json").write_bytes((FIXTURE / "config.json").read_bytes())
    asked: list[str] = []

    def download(hub_id: str, allow_patterns: list[str]) -> str:
        asked.extend(allow_patterns)
        if weights == "model.safetensors":
            (tmp_path / weights).touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert resolve_preset(HUB_ID).checkpoint == tmp_path
    assert ("pytorch_model.bin" in asked) == (weights == "pytorch_model.bin")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError("two\nlines"), "cannot be reached: go online once, or give the path"),
        (RuntimeError("two\nlines"), "could not be fetched from the Hugging Face hub: two lines"),
    ],
)
def test_a_hub_that_does_not_answer_is_one_line(error: Exception, message: str, monkeypatch):
    def refuse(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(UserError, match=message) as caught:
        resolve_preset(HUB_ID)
    assert HUB_ID in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["smal", "no/such/directory", "a b/c", "/nowhere/at/all"])
def test_a_name_that_means_nothing_is_one_line(name: str):
    with pytest.raises(UserError, match=f'preset "{name}" is neither'):
        resolve_preset(name)


def test_a_directory_that_is_no_checkpoint_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"is no checkpoint in transformers format: it has no config.json"):
        resolve_preset(str(tmp_path))


def test_presets_and_checkpoints_need_no_tensorflow():
    code = (
        "import sys, models.checkpoints.presets, models.checkpoints.checkpoint; "
        "assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=FIXTURE.parents[2])
