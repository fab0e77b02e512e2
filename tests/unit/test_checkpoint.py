import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ml_dtypes  # noqa: F401  tells numpy what bfloat16 is
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from models.checkpoints.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.checkpoints.torch_pickle import read_torch_pickle
from models.checkpoints.weight_files import read_weights
from sazon.errors import UserError

FIXTURE = Path(__file__).parents[1] / "fixtures" / "bert"
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint that a test may damage."""
    copy = tmp_path / "checkpoint"
    copy.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", WEIGHTS):
        shutil.copy(FIXTURE / name, copy)
    return copy


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return read_checkpoint(FIXTURE)


def _configure(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def _rewrite(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)


def _assert_same(found: Checkpoint, expected: Checkpoint) -> None:
    assert found.weights.keys() == expected.weights.keys()
    for name, tensor in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], tensor, err_msg=name)


def test_a_checkpoint_in_transformers_format_is_read(checkpoint: Checkpoint):
    assert checkpoint.encoder.model_dump() == {
        "layers": 2,
        "hidden": 32,
        "heads": 4,
        "intermediate": 48,
        "vocabulary": 200,
        "max_tokens": 32,
        "positions": 32,
        "activation": "gelu",
        "norm_epsilon": 1e-12,
    }
    assert (checkpoint.tokeniser.mask_id, checkpoint.tokeniser.pad_id, checkpoint.tokeniser.cls_id) == (0, 1, 4)
    assert checkpoint.weights["encoder.layer.1.intermediate.dense.weight"].shape == (48, 32)
    assert checkpoint.weights["cls.predictions.transform.dense.weight"].shape == (32, 32)
    assert {tensor.dtype for tensor in checkpoint.weights.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_pickle_of_pytorch_is_read_without_it(kind: str, folder: Path, checkpoint: Checkpoint):
    (folder / WEIGHTS).unlink()
    shutil.copy(FIXTURE / f"{kind}_pytorch_model.bin", folder / "pytorch_model.bin")
    _assert_same(read_checkpoint(folder), checkpoint)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_and_shards_are_read_as_float32(dtype: str, folder: Path, checkpoint: Checkpoint):
    weights = {name: tensor.astype(dtype) for name, tensor in load_file(folder / WEIGHTS).items()}
    (folder / WEIGHTS).unlink()
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, part in shards.items():
        save_file({name: weights[name] for name in part}, folder / shard)
    index = {"weight_map": {name: shard for shard, part in shards.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = read_checkpoint(folder)
    assert found.weights.keys() == checkpoint.weights.keys()
    for name, tensor in found.weights.items():
        np.testing.assert_array_equal(tensor, checkpoint.weights[name].astype(dtype).astype(np.float32))

    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UserError, match=r"model-00002-of-00002.safetensors is missing"):
        read_checkpoint(folder)


def test_the_same_activation_under_its_other_names(folder: Path):
    _configure(folder, hidden_act="gelu_pytorch_tanh")
    assert read_checkpoint(folder).encoder.activation == "gelu_new"


@pytest.mark.parametrize("architecture", ["BertModel", "BertForMaskedLM", "BertForSequenceClassification"])
def test_what_is_written_reads_back_equal(architecture, checkpoint: Checkpoint, tmp_path: Path):
    head = {"classifier.weight": np.ones((3, 32), np.float32), "classifier.bias": np.zeros(3, np.float32)}
    labels = {"id2label": {"0": "negative", "1": "neutral", "2": "positive"}}
    rich = replace(checkpoint, weights=checkpoint.weights | head, config=checkpoint.config | labels)
    write_checkpoint(tmp_path / "new", rich, architecture=architecture)
    again = read_checkpoint(tmp_path / "new")
    assert (again.encoder, again.tokeniser) == (checkpoint.encoder, checkpoint.tokeniser)
    assert again.config["architectures"] == [architecture] and again.config["id2label"] == labels["id2label"]
    heads = {
        "BertModel": {"pooler"},
        "BertForMaskedLM": {"cls"},
        "BertForSequenceClassification": {"pooler", "classifier"},
    }
    assert {name.split(".")[0] for name in again.weights} == {"embeddings", "encoder", *heads[architecture]}
    assert all((rich.weights[name] == tensor).all() for name, tensor in again.weights.items())
    with safe_open(tmp_path / "new" / WEIGHTS, framework="numpy") as written:
        assert written.metadata() == {"format": "pt"}
        prefixed = {name for name in written.keys() if name.startswith("bert.")}  # noqa: SIM118
    assert bool(prefixed) == (architecture != "BertModel")
    with pytest.raises(UserError, match="exists already"):
        write_checkpoint(tmp_path / "new", rich, architecture=architecture)


def test_a_head_that_is_not_there_is_named(checkpoint: Checkpoint, tmp_path: Path):
    with pytest.raises(UserError, match=r"lack classifier\.\*, which BertForSequenceClassification needs"):
        write_checkpoint(tmp_path / "new", checkpoint, architecture="BertForSequenceClassification")
    assert not list(tmp_path.iterdir())


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (
        lambda folder: (folder / "config.json").unlink(),
        "no checkpoint in transformers format.*config.json",
    ),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "neither model.safetensors nor pytorch_model.bin"),
    "no tokeniser": (lambda folder: (folder / "vocab.txt").unlink(), "has no tokeniser"),
    "config is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json is no object in JSON"),
    "config is a list": (lambda folder: (folder / "config.json").write_text("[]"), "config.json is no object in JSON"),
    "another model": (lambda folder: _configure(folder, model_type="roberta"), "model_type is 'roberta'"),
    "relative positions": (
        lambda folder: _configure(folder, position_embedding_type="relative_key"),
        "position_embedding_type is 'relative_key'",
    ),
    "odd activation": (lambda folder: _configure(folder, hidden_act="silu"), "hidden_act is 'silu'"),
    "odd size": (lambda folder: _configure(folder, num_attention_heads=5), r"heads \(5\) must divide hidden"),
    "cut off": (
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:50_000]),
        "model.safetensors is damaged or cut off",
    ),
    "empty": (lambda folder: (folder / WEIGHTS).write_bytes(b""), "model.safetensors is damaged or cut off"),
    "longer vocabulary": (
        lambda folder: (folder / "vocab.txt").open("a").write("más\n"),
        "the vocabulary has 201 tokens, the embedding table 200 rows",
    ),
    "lacks a weight": (
        lambda folder: _rewrite(folder, lambda weights: weights.pop("bert.encoder.layer.1.output.dense.bias")),
        r"lack encoder\.layer\.1\.output\.dense\.bias",
    ),
    "another shape": (
        lambda folder: _configure(folder, intermediate_size=64),
        r"encoder.layer.0.intermediate.dense.weight has shape \(48, 32\), config.json asks for \(64, 32\)",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_wrong_is_said_in_one_line(damage: str, folder: Path):
    spoil, message = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(UserError, match=message) as caught:
        read_checkpoint(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("1/0",)


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_damaged_pickle_is_refused(kind: str, tmp_path: Path):
    whole = (FIXTURE / f"{kind}_pytorch_model.bin").read_bytes()
    path = tmp_path / "pytorch_model.bin"
    for length in (0, 10, 1000, len(whole) // 2, len(whole) - 100):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"pytorch_model.bin is no readable PyTorch checkpoint"):
            read_weights(tmp_path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(pickle.UnpicklingError, match="eval is not part of a tensor"):
        read_torch_pickle(path)
