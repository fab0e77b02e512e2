"""Pretraining: the corpus on disk, the model, runs that are interrupted, and the command."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sazon.cli.main import app
from sazon.errors import UserError
from sazon.settings import EncoderSettings, PretrainSettings, Settings

pytestmark = pytest.mark.integration

SIZE = EncoderSettings(layers=1, hidden=32, heads=2, intermediate=64, vocabulary=400, max_tokens=16, positions=64)
DISHES = [
    f"{dish}{ending}" for dish in ("cevich", "caus", "lomit", "chupe", "taca") for ending in ("e", "a", "ito", "ón")
]
WORDS = [
    f"{start}{middle}{end}" for start in "bcdfgl" for middle in ("ar", "ol", "in", "es") for end in ("o", "a", "al")
]
FIXTURE = Path(__file__).parents[1] / "fixtures" / "bert"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Six hundred texts in which a word follows from the dish, and a duplicate."""
    rng = np.random.default_rng(0)
    pairs = list(zip(DISHES, WORDS, strict=False))
    texts = []
    for number in range(600):
        dish, word = pairs[rng.integers(len(pairs))]
        texts.append(f"{dish} con {word} y {WORDS[number % len(WORDS)]} {number // 2}")
    path = tmp_path_factory.mktemp("corpus") / "texts.txt"
    path.write_text("\n".join([*texts, texts[0]]), encoding="utf-8")
    return path


@pytest.fixture
def settings(tmp_path, empty_mlflow):
    own = PretrainSettings(epochs=2, learning_rate=3e-3, batch_size=32, checkpoint_s=0, dropout=0.1)
    made = Settings(home=tmp_path / "home", preset="tiny", encoder=SIZE, pretrain=own)
    made.state.mlflow_db.parent.mkdir(parents=True)
    shutil.copy(empty_mlflow, made.state.mlflow_db)
    return made


def store_of(folder, texts, max_tokens=16):
    from models.pretraining.token_store import TokenStore
    from models.text.tokeniser import Tokeniser

    tokeniser = Tokeniser.learn((text for text in texts for _ in range(2)), 300)
    return TokenStore.write(folder, [texts[:2], texts[2:]], tokeniser, max_tokens), tokeniser


def decode(tokeniser, ids):
    return " ".join(tokeniser.vocabulary[index] for index in ids).replace(" ##", "")


def read_back(store, tokeniser, rows):
    return [decode(tokeniser, store.tokens(row)[1:-1]) for row in rows]


def test_a_corpus_keeps_each_text_once_and_holds_some_out(tmp_path):
    texts = [f"plato {number}" for number in range(400)]
    store, tokeniser = store_of(tmp_path, [*texts, *texts[:7]])
    assert (store.size.texts, store.size.duplicates) == (400, 7)
    assert 1 <= store.size.held_out == len(store.held_out) <= 20
    rows = [*store.train, *store.held_out]
    assert sorted(read_back(store, tokeniser, rows)) == sorted(texts)


def test_which_texts_are_held_out_does_not_depend_on_their_order(tmp_path):
    texts = [f"plato {number}" for number in range(400)]
    found = []
    for name, order in (("one", texts), ("two", texts[::-1])):
        (tmp_path / name).mkdir()
        store, tokeniser = store_of(tmp_path / name, order)
        found.append(sorted(read_back(store, tokeniser, store.held_out)))
    assert found[0] == found[1]


def test_a_long_text_becomes_several_rows_and_loses_nothing(tmp_path):
    long = " ".join(f"plato {number}" for number in range(60))
    store, tokeniser = store_of(tmp_path, ["corto plato", long, long])
    rows = [row for row in [*store.train, *store.held_out] if "corto" not in read_back(store, tokeniser, [row])[0]]
    pieces = [store.tokens(row) for row in sorted(rows)]
    assert {piece[0] for piece in pieces} == {tokeniser.cls_id} and {piece[-1] for piece in pieces} == {
        tokeniser.sep_id
    }
    assert max(map(len, pieces)) == 16
    assert decode(tokeniser, np.concatenate([piece[1:-1] for piece in pieces])) == long
    assert (store.size.texts, store.size.duplicates) == (2, 1)


def test_batches_follow_from_seed_epoch_and_number(tmp_path):
    from models.inputs.batching import Grain
    from models.pretraining.masked_batches import MaskedBatches
    from models.pretraining.masking import WordMasker

    store, tokeniser = store_of(tmp_path, [f"plato {number} rico" for number in range(200)])
    batches = MaskedBatches(store, WordMasker.of(tokeniser, 0.15), PretrainSettings(batch_size=16), Grain())
    epoch = list(batches.of_epoch(3))
    assert len(epoch) == len(batches)
    assert sum(len(batch["layout"].mask) for batch in epoch) == len(store.train)
    for one, again in zip(epoch[5:], batches.of_epoch(3, start=5), strict=True):
        assert np.array_equal(one["tokens"], again["tokens"]) and np.array_equal(one["reads"], again["reads"])
    assert not np.array_equal(epoch[0]["tokens"], next(batches.of_epoch(4))["tokens"])
    for one, again in zip(batches.of_eval(), batches.of_eval(), strict=True):
        assert np.array_equal(one["tokens"], again["tokens"])


def test_guesses_are_those_of_transformers():
    from models.bert.packing import pack
    from models.checkpoints.checkpoint import read_checkpoint
    from models.pretraining.masked_language_model import MaskedLanguageModel, load_masked_language_model

    checkpoint, expected = read_checkpoint(FIXTURE), np.load(FIXTURE / "reference.npz")
    model = MaskedLanguageModel(checkpoint.encoder.vocabulary, checkpoint.encoder, 0.0)
    load_masked_language_model(model, checkpoint.weights)
    lengths = expected["attention_mask"].sum(axis=1)
    texts = [row[:length] for row, length in zip(expected["input_ids"], lengths, strict=True)]
    tokens, layout = pack(texts)
    reads = np.arange(8, dtype=np.int32)
    logits, _ = model.logits({"tokens": tokens, "layout": layout, "reads": reads})
    np.testing.assert_allclose(logits, expected["gelu_mlm_logits"], atol=1e-4)


def test_weights_leave_and_come_back_equal(tmp_path):
    from models.checkpoints.checkpoint import read_checkpoint, write_checkpoint
    from models.pretraining.masked_language_model import (
        MaskedLanguageModel,
        dump_masked_language_model,
        load_masked_language_model,
    )

    checkpoint = read_checkpoint(FIXTURE)
    model, twin = (MaskedLanguageModel(checkpoint.encoder.vocabulary, checkpoint.encoder, 0.0) for _ in range(2))
    load_masked_language_model(model, checkpoint.weights)
    made = replace(checkpoint, weights=dump_masked_language_model(model))
    write_checkpoint(tmp_path / "made", made, architecture="BertForMaskedLM")
    load_masked_language_model(twin, read_checkpoint(tmp_path / "made").weights)
    for one, other in zip(model.trainable_variables, twin.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)


def weights_of(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def test_it_learns_and_leaves_a_preset_a_card_and_a_run(settings, corpus):
    import mlflow

    from models.checkpoints.checkpoint import read_checkpoint
    from models.checkpoints.presets import resolve_preset
    from models.pretraining.run import pretrain

    settings = settings.model_copy(update={"pretrain": settings.pretrain.model_copy(update={"epochs": 12})})
    made = pretrain([corpus], settings)
    assert made.checkpoint == settings.state.root / "pretrained" / f"{made.digest}-tiny"
    assert made.corpus.duplicates == 1
    first, last = made.epochs[0], made.epochs[-1]
    assert last.eval_loss < 0.7 * first.eval_loss and last.eval_accuracy > first.eval_accuracy

    checkpoint = read_checkpoint(made.checkpoint)
    assert resolve_preset(str(made.checkpoint)).encoder == checkpoint.encoder
    assert checkpoint.config["architectures"] == ["BertForMaskedLM"]
    assert "cls.predictions.transform.dense.weight" in checkpoint.weights
    card = (made.checkpoint / "README.md").read_text()
    assert made.digest in card and f"sazon pretrain --corpus {corpus} --preset tiny --epochs 12" in card

    client = mlflow.MlflowClient(settings.tracking_uri)
    run = client.get_run(made.run_id)
    assert (run.info.status, run.data.params["corpus_digest"]) == ("FINISHED", made.digest)
    for name in ("loss", "eval_loss", "eval_accuracy", "tokens_per_s"):
        assert len(client.get_metric_history(made.run_id, name)) == 12
    assert "checkpoint/model.safetensors" in {file.path for file in client.list_artifacts(made.run_id, "checkpoint")}
    assert not list((settings.state.root / "pretraining").glob("*/"))


def interrupted(settings, corpus, out, monkeypatch, watch_of):
    """A run that `watch_of` ends early."""
    from contextlib import contextmanager

    from models.pretraining import run as pretraining_run

    with monkeypatch.context() as patch:
        followed = pretraining_run.followed

        @contextmanager
        def watched(stop):
            with followed(stop) as watch:
                yield watch_of(watch)

        patch.setattr(pretraining_run, "followed", watched)
        pretraining_run.pretrain([corpus], settings, out)


@pytest.mark.parametrize("way", ["stopped", "killed"])
def test_an_interrupted_run_goes_on_to_the_same_result(settings, corpus, tmp_path, monkeypatch, way):
    import mlflow

    from models.pretraining.pretrainer import Stopped
    from models.pretraining.run import pretrain

    seen = []

    def watch_of(watch):
        def on_step(loss, tokens):
            watch.on_step(loss, tokens)
            seen.append(loss)
            if way == "killed" and len(seen) == 29:
                raise SystemError("killed")

        return replace(watch, on_step=on_step, stop=lambda: way == "stopped" and len(seen) == 29)

    out = tmp_path / "out"
    with pytest.raises(Stopped if way == "stopped" else SystemError):
        interrupted(settings, corpus, out, monkeypatch, watch_of)
    assert not out.exists()
    resumed = pretrain([corpus], settings, out)
    unbroken = pretrain([corpus], settings.model_copy(update={"home": tmp_path / "other"}), tmp_path / "unbroken")
    for one, other in zip(resumed.epochs, unbroken.epochs, strict=True):
        assert (one.loss, one.eval_loss) == pytest.approx((other.loss, other.eval_loss), abs=1e-4)
    for name, weight in weights_of(unbroken.checkpoint).items():
        np.testing.assert_allclose(weights_of(out)[name], weight, atol=1e-3, err_msg=name)
    mlflow.set_tracking_uri(settings.tracking_uri)
    assert len(mlflow.search_runs(experiment_names=["pretrain"])) == 1  # one run, gone on with


def test_a_checkpoint_goes_on_with_its_own_vocabulary_and_head(settings, corpus, tmp_path):
    from models.checkpoints.checkpoint import read_checkpoint
    from models.pretraining.run import pretrain

    first = pretrain([corpus], settings, tmp_path / "first")
    further = settings.model_copy(update={"preset": str(first.checkpoint), "encoder": None})
    second = pretrain([corpus], further, tmp_path / "second")
    assert second.epochs[0].eval_loss < first.epochs[0].eval_loss
    one, two = read_checkpoint(first.checkpoint), read_checkpoint(second.checkpoint)
    assert one.tokeniser == two.tokeniser
    with pytest.raises(UserError, match="its shape is not that of preset"):
        pretrain(
            [corpus], further.model_copy(update={"encoder": SIZE.model_copy(update={"layers": 2})}), tmp_path / "3"
        )


def test_steps_end_a_run_within_an_epoch(settings, corpus, tmp_path):
    from models.pretraining.run import pretrain

    few = settings.model_copy(update={"pretrain": settings.pretrain.model_copy(update={"steps": 21})})
    assert [epoch.steps for epoch in pretrain([corpus], few, tmp_path / "out").epochs] == [19, 21]


def sazon(*arguments, **environment):
    command = [sys.executable, "-m", "sazon.cli.main", "pretrain", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment}
    )


def test_the_command_prints_where_the_checkpoint_is(corpus, tmp_path):
    encoder = SIZE.model_dump_json()
    out = tmp_path / "made"
    done = sazon("--corpus", corpus, "--preset", "tiny", "--out", out, "--steps", 3, "--json", SAZON_ENCODER=encoder)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["checkpoint"], result["steps"], result["corpus"]["texts"]) == (str(out), 3, 600)


def test_a_checkpoint_that_is_there_is_not_overwritten(corpus, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    again = CliRunner().invoke(app, ["pretrain", "--corpus", str(corpus), "--preset", "tiny", "--out", str(tmp_path)])
    assert isinstance(again.exception, UserError) and "exists already" in str(again.exception)


def test_wrong_use_is_one_clear_line(settings, tmp_path):
    from models.pretraining.run import pretrain

    empty, short = tmp_path / "empty.txt", tmp_path / "short.txt"
    empty.write_text("\n \n")
    short.write_text("hola\nque tal\n")
    for path, said in ((empty, "no text in it"), (short, "word pieces only"), (tmp_path / "no.txt", "no such file")):
        with pytest.raises(UserError, match=said) as caught:
            pretrain([path], settings)
        assert "\n" not in str(caught.value)
