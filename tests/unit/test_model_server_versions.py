"""Which versions are loaded, when, and what is said about them."""

import threading
from pathlib import Path

import pytest

from sazon.errors import ServingError
from serving.model_server.routes import ModelTarget
from serving.model_server.signature import Signature
from serving.model_server.statuses import Code, StatusError
from serving.model_server.telemetry import BUCKETS_US, Telemetry
from serving.model_server.versions import Versions
from serving.model_server.watcher import RetryPolicy, VersionWatcher, newest_version

LATEST = ModelTarget("m")


class FakeServable:
    def __init__(self, version: int) -> None:
        self.version, self.closed = version, False

    def close(self) -> None:
        self.closed = True


class Loader:
    """Remembers what was loaded while what else was loaded; folders that hold `broken` fail."""

    def __init__(self, versions: Versions) -> None:
        self.versions, self.calls, self.servables = versions, [], {}

    def __call__(self, folder: Path, version: int) -> FakeServable:
        self.calls.append((version, self.versions.loaded()))
        if (folder / "broken").exists():
            raise OSError("no such\nSavedModel")
        self.servables[version] = FakeServable(version)
        return self.servables[version]


@pytest.fixture
def versions():
    return Versions("m")


@pytest.fixture
def loader(versions):
    return Loader(versions)


@pytest.fixture
def watcher(tmp_path, versions, loader):
    return VersionWatcher(tmp_path, versions, loader, poll_s=0.01, retries=RetryPolicy(max_retries=1, interval_s=0))


def states(versions):
    return {status.version: (status.state.name, status.code.name) for status in versions.statuses(LATEST)}


def test_directory_names_are_numbers(tmp_path):
    for name in ("00000003", "2", "latest", ".7.partial", "-4", "²", str(2**63)):
        (tmp_path / name).mkdir()
    (tmp_path / "9").touch()
    assert newest_version(tmp_path) == (3, tmp_path / "00000003")


def test_the_new_version_loads_before_the_old_unloads(tmp_path, versions, loader, watcher):
    (tmp_path / "1").mkdir()
    watcher.tick()
    (tmp_path / "2").mkdir()
    watcher.tick()
    watcher.tick()
    assert loader.calls == [(1, ()), (2, (1,))]
    assert loader.servables[1].closed
    assert states(versions) == {2: ("AVAILABLE", "OK"), 1: ("END", "OK")}
    assert [status.version for status in versions.statuses(LATEST)] == [2, 1]


def test_going_back_loads_the_older_version_again(tmp_path, versions, watcher):
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    watcher.tick()
    (tmp_path / "2").rmdir()
    watcher.tick()
    assert states(versions) == {2: ("END", "OK"), 1: ("AVAILABLE", "OK")}


def test_a_broken_version_is_retried_then_ends_while_the_old_one_serves(tmp_path, versions, loader, watcher):
    (tmp_path / "1").mkdir()
    watcher.tick()
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "broken").touch()
    watcher.tick()
    assert states(versions) == {2: ("LOADING", "OK"), 1: ("AVAILABLE", "OK")}
    watcher.tick()
    watcher.tick()
    assert states(versions) == {2: ("END", "UNKNOWN"), 1: ("AVAILABLE", "OK")}
    assert [version for version, _ in loader.calls] == [1, 2, 2]
    assert versions.statuses(ModelTarget("m", 2))[0].message == "no such SavedModel"
    (tmp_path / "3").mkdir()
    watcher.tick()
    assert versions.loaded() == (3,)


def test_an_emptied_directory_unloads_but_a_missing_one_does_not(tmp_path, versions, watcher):
    (tmp_path / "1").mkdir()
    watcher.tick()
    tmp_path.rename(tmp_path.with_suffix(".away"))
    watcher.tick()
    assert versions.loaded() == (1,)
    tmp_path.mkdir()
    watcher.tick()
    assert versions.loaded() == ()
    with pytest.raises(StatusError, match=r"^Servable not found for request: Latest\(m\)$"), versions.lease(LATEST):
        pass


def test_a_broken_first_version_is_one_clear_line(tmp_path, watcher):
    (tmp_path / "4" / "broken").mkdir(parents=True)
    with pytest.raises(ServingError) as caught:
        watcher.load_first(threading.Event())
    assert str(caught.value) == f"{tmp_path}, version 4: cannot be loaded: no such SavedModel"


def test_waits_for_the_first_version(tmp_path, versions, watcher):
    threading.Timer(0.1, (tmp_path / "1").mkdir).start()
    watcher.load_first(threading.Event())
    assert versions.loaded() == (1,)


def test_a_version_in_use_is_not_closed(versions):
    servable = FakeServable(1)
    versions.publish(servable)
    with versions.lease(LATEST) as leased:
        retiring = threading.Thread(target=versions.retire, args=(1,))
        retiring.start()
        retiring.join(0.1)
        assert leased is servable
        assert not servable.closed
        assert states(versions) == {1: ("UNLOADING", "OK")}
        with pytest.raises(StatusError), versions.lease(LATEST):
            pass
    retiring.join(5)
    assert servable.closed


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (ModelTarget("x"), "Servable not found for request: Latest(x)"),
        (ModelTarget("m", 99), "Servable not found for request: Specific(m, 99)"),
        (ModelTarget("m", None, "L"), "Unrecognized servable version label: L"),
        (ModelTarget(""), "ModelSpec has no name specified."),
    ],
)
def test_names_the_servable_that_is_missing(versions, target, message):
    versions.publish(FakeServable(1))
    with pytest.raises(StatusError) as caught, versions.lease(target):
        pass
    assert caught.value.message == message


def test_status_of_something_unknown_is_not_found(versions):
    versions.publish(FakeServable(1))
    for target, message in (
        (ModelTarget("x"), "Could not find any versions of model x"),
        (ModelTarget("m", 5), "Could not find version 5 of model m"),
    ):
        with pytest.raises(StatusError) as caught:
            versions.statuses(target)
        assert (caught.value.message, caught.value.code) == (message, Code.NOT_FOUND)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (
            ("x", "z"),
            (),
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. "
            "Missing but required: {}.",
        ),
        (
            (),
            (),
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
        ),
        (
            ("x",),
            ("q",),
            "output tensor alias not found in signature: q Outputs expected to be in the set {y}.",
        ),
        (("x",), ("y", "y"), "duplicate output tensor alias: y"),
    ],
)
def test_names_of_a_grpc_request_must_fit_the_signature(inputs, outputs, message):
    signature = Signature({"x": "float"}, ("y",))
    with pytest.raises(StatusError) as caught:
        signature.check_names(inputs, outputs)
    assert caught.value.message == message
    signature.check_names(("x",), ("y",))


def test_metrics_carry_the_names_and_buckets_of_the_protocol():
    telemetry = Telemetry("m")
    telemetry.count_request("m", Code.OK)
    telemetry.count_request("m", Code.NOT_FOUND)
    telemetry.count_request("invented", Code.NOT_FOUND)
    telemetry.observe_request("REST", 17e-6)
    telemetry.observe_runtime(1e9)
    lines = telemetry.render().splitlines()
    assert len(BUCKETS_US) == 33
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1' in lines
    assert not any("invented" in line for line in lines)
    latency = ':tensorflow:serving:request_latency_bucket{model_name="m",API="Predict",entrypoint="REST",le='
    assert f'{latency}"10"}} 0' in lines
    assert f'{latency}"18"}} 1' in lines
    assert f'{latency}"+Inf"}} 1' in lines
    assert ':tensorflow:serving:runtime_latency_sum{model_name="m",API="Predict",runtime="TF1"} 1e+15' in lines
