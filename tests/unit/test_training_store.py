"""Checkpoints in an object store: whole or not at all, and the store is what counts."""

from dataclasses import dataclass

import numpy as np
import pytest

from models.training.state import Epoch, Progress, TrainingState, newest_in
from models.training.store import ObjectStore, is_remote
from sazon.errors import SettingsError, StoreError
from sazon.settings import load_settings


@pytest.fixture
def store(tmp_path):
    return ObjectStore((tmp_path / "bucket" / "training").as_uri())


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self):
        return self.now_s


def variables(value):
    import keras

    return [keras.Variable(np.full(3, value, np.float32))]


def progress(epoch, batch):
    done = [Epoch(number + 1, 1.0, 0.5, 0.4, 0.3, 0.2) for number in range(epoch)]
    return Progress(epoch=epoch, batch=batch, epochs=done, note={"mlflow_run_id": "abc"})


def test_files_come_back_and_what_is_not_there_is_told(store, tmp_path):
    (tmp_path / "one").write_bytes(b"x" * 100)
    store.check()
    store.put("deep/one", tmp_path / "one")
    store.put_json("deep/two.json", {"a": 1})
    assert store.names() == ["deep/one", "deep/two.json"]
    assert store.get("deep/one", tmp_path / "back") and (tmp_path / "back").read_bytes() == b"x" * 100
    assert store.below("deep").get_json("two.json") == {"a": 1}
    assert not store.get("three", tmp_path / "three") and store.get_json("three") is None
    store.clear()
    assert store.names() == []


def test_a_folder_that_nobody_may_write_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/bucket/probe-\w+.json cannot be written: .*; check bucket"):
        ObjectStore((tmp_path / "file" / "bucket").as_uri()).check()


@pytest.mark.parametrize("address", ["relative/path", "http://somewhere/x", "S3//bucket"])
def test_no_store_is_refused(address):
    with pytest.raises(SettingsError, match="is no place for checkpoints"):
        ObjectStore(address)


def test_addresses_are_told_from_directories():
    assert is_remote("s3://bucket/x") and not is_remote("/var/lib/sazon/trainings")


def test_options_stay_behind_the_folder():
    below = ObjectStore("s3://bucket/x?region=eu-west-1&endpoint_override=localhost:9&scheme=http").below("job")
    assert below.address == "s3://bucket/x/job?region=eu-west-1&endpoint_override=localhost:9&scheme=http"


def test_another_machine_goes_on(store, tmp_path):
    first = TrainingState(tmp_path / "one" / "state.npz", 0.0, store)
    first.save(variables(1.0), progress(1, 0), Clock())
    first.save(variables(2.0), progress(1, 7), Clock())
    elsewhere, own = TrainingState(tmp_path / "two" / "state.npz", 0.0, store), variables(0.0)
    assert elsewhere.note() == {"mlflow_run_id": "abc"}
    restored = elsewhere.restore(own)
    assert (restored.epoch, restored.batch, restored.epochs) == (1, 7, progress(1, 7).epochs)
    assert own[0].numpy().tolist() == [2.0] * 3
    assert len([name for name in store.names() if name.startswith("state-")]) == 1


def test_an_upload_that_breaks_off_leaves_the_one_before(store, tmp_path, monkeypatch, caplog):
    state = TrainingState(tmp_path / "state.npz", 0.0, store)
    state.save(variables(1.0), progress(0, 3), Clock())
    monkeypatch.setattr(store, "put_json", lambda *_: (_ for _ in ()).throw(StoreError("gone")))
    state.save(variables(2.0), progress(0, 9), Clock())
    assert "checkpoint not stored, the one before stays: gone" in caplog.text
    assert newest_in(store)["batch"] == 3
    fresh, own = TrainingState(tmp_path / "new" / "state.npz", 0.0, store), variables(0.0)
    assert fresh.restore(own).batch == 3 and own[0].numpy().tolist() == [1.0] * 3
    assert len(store.names()) == 2  # the upload that counts for nothing is gone


def test_the_store_counts_more_than_what_lies_here(store, tmp_path):
    state = TrainingState(tmp_path / "state.npz", 0.0, store)
    state.save(variables(1.0), progress(0, 3), Clock())
    TrainingState(state.path, 0.0).save(variables(5.0), progress(0, 9), Clock())
    assert state.restore(variables(0.0)).batch == 3


def test_nodes_that_do_not_write_read(store, tmp_path):
    TrainingState(tmp_path / "a", 0.0, store).save(variables(1.0), progress(2, 0), Clock())
    other = TrainingState(tmp_path / "b", 0.0, store, writes=False)
    assert not other.due(1e9)
    other.save(variables(3.0), progress(9, 9), Clock())
    assert other.restore(variables(0.0)).epoch == 2


def test_a_store_that_cannot_be_read_is_no_fresh_start(store, tmp_path, monkeypatch):
    def away(*_):
        raise StoreError("away")

    monkeypatch.setattr(store, "get_json", away)
    with pytest.raises(StoreError):
        TrainingState(tmp_path / "state.npz", 0.0, store).restore(variables(0.0))


def test_a_checkpoint_whose_predecessor_cannot_be_removed_is_stored(store, tmp_path, monkeypatch, caplog):
    state = TrainingState(tmp_path / "state.npz", 0.0, store)
    state.save(variables(1.0), progress(0, 3), Clock())
    monkeypatch.setattr(store, "delete", lambda *_: (_ for _ in ()).throw(StoreError("may not")))
    state.save(variables(2.0), progress(0, 9), Clock())
    assert newest_in(store)["batch"] == 9
    assert "checkpoint stored, but the one before stays as well: may not" in caplog.text


@pytest.mark.parametrize(
    "address",
    ["s3://ID:hush@bucket/x", "s3://ID:hu/sh@bucket/x", "s3://b/x?region=r&secret_key=hush", "gs://b?token=hush"],
)
def test_an_address_with_credentials_is_refused_and_not_repeated(address):
    with pytest.raises(SettingsError, match=r"train\.state_dir: .*use AWS_ACCESS_KEY_ID") as error:
        load_settings(train={"state_dir": address})
    assert "hush" not in str(error.value)


@pytest.mark.parametrize("place", ["s3://b/x?region=r&endpoint_override=localhost:9&scheme=http", "/home/a@b/x"])
def test_a_place_without_them_passes(place):
    assert load_settings(train={"state_dir": place}).training_dir == place
