"""A gateway whose feature store comes later, or cannot be opened when it starts."""

import logging
import threading
import time

from serving.gateway.late_features import LateFeatureReader


class Reader:
    def read(self, product, region):
        return {"volume_30d": 12}

    def read_context(self, product, region):
        return [12.0]


class Database:
    """Opens readers while it is there."""

    def __init__(self):
        self.away, self.asked = False, 0

    def open(self, folder):
        self.asked += 1
        if self.away:
            raise RuntimeError("connection refused\nIs the server running?")
        return Reader()


def wait_for(reader):
    deadline = time.monotonic() + 10
    while not (found := reader.read("ceviche", "Lima")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def test_what_is_there_is_read_from_the_first_request_on(tmp_path):
    (tmp_path / "feature_store.yaml").touch()
    reader = LateFeatureReader(tmp_path, Database().open)
    assert reader.read("ceviche", "Lima") == {"volume_30d": 12}
    assert reader.read_context("ceviche", None) == [12.0]


def test_features_that_come_after_the_start_are_found(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    database = Database()
    reader = LateFeatureReader(tmp_path, database.open, retry_s=0.01)
    for _ in range(5):
        assert reader.read("ceviche", "Lima") == {}
        assert reader.read_context("ceviche", "Lima") is None
        time.sleep(0.02)
    assert len(caplog.messages) == 1 and "no online features in" in caplog.messages[0]
    (tmp_path / "feature_store.yaml").touch()
    assert wait_for(reader) == {"volume_30d": 12}
    wait_for(reader)
    assert database.asked == 1


def test_a_gateway_starts_while_the_database_is_away_and_asks_it_now_and_then(tmp_path, caplog):
    (tmp_path / "feature_store.yaml").touch()
    database = Database()
    database.away = True
    patient = LateFeatureReader(tmp_path, database.open, retry_s=60)
    assert [patient.read("ceviche", "Lima") for _ in range(100)] == [{}] * 100
    assert database.asked == 1, "not at every request"
    assert len(caplog.messages) == 1 and "RuntimeError: connection refused);" in caplog.messages[0]
    reader = LateFeatureReader(tmp_path, database.open, retry_s=0.01)
    database.away = False
    assert wait_for(reader) == {"volume_30d": 12}


def test_no_request_waits_for_a_database_that_does_not_answer(tmp_path):
    (tmp_path / "feature_store.yaml").touch()
    answers, asked = threading.Event(), []

    def open_slowly(_):
        asked.append(True)
        answers.wait(30)
        return Reader()

    reader = LateFeatureReader(tmp_path, open_slowly, retry_s=0.0, first_s=0.01)
    assert [reader.read("ceviche", "Lima") for _ in range(20)] == [{}] * 20
    assert len(asked) == 1, "one try at a time"
    answers.set()
    assert wait_for(reader) == {"volume_30d": 12}
