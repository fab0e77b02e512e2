"""Which versions are loaded, when, and what is said about them."""

import threading
from pathlib import Path

import pytest

from serving.model_server.catalogue import Catalogue
from serving.model_server.model_configs import ServedModel, VersionPolicy
from serving.model_server.routes import ModelTarget
from serving.model_server.signature import Signature
from serving.model_server.statuses import Code, StatusError
from serving.model_server.telemetry import BUCKETS_US, Telemetry
from serving.model_server.versions import Versions
from serving.model_server.watcher import RetryPolicy, VersionWatcher, numbered_folders


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
    model = ServedModel("m", tmp_path)
    return VersionWatcher(model, versions, loader, poll_s=0.01, retries=RetryPolicy(max_retries=1, interval_s=0))


@pytest.fixture
def catalogue(versions):
    known = Catalogue()
    known.add(versions)
    return known


def states(versions):
    return {status.version: (status.state.name, status.code.name) for status in versions.statuses()}


def test_directory_names_are_numbers(tmp_path):
    for name in ("00000003", "2", "latest", ".7.partial", "-4", "²", str(2**63)):
        (tmp_path / name).mkdir()
    (tmp_path / "9").touch()
    assert numbered_folders(tmp_path) == {2: tmp_path / "2", 3: tmp_path / "00000003"}


def test_the_new_version_loads_before_the_old_unloads(tmp_path, versions, loader, watcher):
    (tmp_path / "1").mkdir()
    watcher.tick()
    (tmp_path / "2").mkdir()
    watcher.tick()
    watcher.tick()
    assert loader.calls == [(1, ()), (2, (1,))]
    assert loader.servables[1].closed
    assert states(versions) == {2: ("AVAILABLE", "OK"), 1: ("END", "OK")}
    assert [status.version for status in versions.statuses()] == [2, 1]


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
    assert versions.statuses()[0].message == "no such SavedModel"
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
    with pytest.raises(StatusError, match=r"^Servable not found for request: Latest\(m\)$"), versions.lease(None):
        pass


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [
        (VersionPolicy("latest", newest=2), (2, 3)),
        (VersionPolicy("all"), (1, 2, 3)),
        (VersionPolicy("specific", numbers=(1, 3, 7)), (1, 3)),
    ],
)
def test_policies_choose_versions_and_may_change(tmp_path, versions, watcher, policy, loaded):
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
    watcher.update(ServedModel("m", tmp_path, policy))
    watcher.tick()
    assert versions.loaded() == loaded
    watcher.update(ServedModel("m", tmp_path))
    watcher.tick()
    assert versions.loaded() == (3,)
    watcher.update(None)
    watcher.tick()
    assert versions.loaded() == ()


def test_settles_when_a_version_is_available_or_all_have_ended(tmp_path, versions, watcher):
    assert not versions.wait_settled(0.01)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "broken").touch()
    watcher.tick()
    assert not versions.wait_settled(0.01)
    watcher.tick()
    assert versions.wait_settled(0.01)
    assert versions.loaded() == ()
    (tmp_path / "2").mkdir()
    watcher.tick()
    assert versions.wait_settled(0.01)


def labelled(catalogue, allow_unavailable=False, **labels):
    catalogue.assign_labels({"m": ServedModel("m", Path("/m"), labels=labels)}, allow_unavailable)


def test_labels_name_available_versions_only(catalogue, versions):
    versions.publish(FakeServable(1))
    versions.publish(FakeServable(2))
    labelled(catalogue, stable=1)
    with pytest.raises(StatusError) as caught:
        labelled(catalogue, stable=2, canary=3)
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert caught.value.message == (
        "Request to assign label to version 3 of model m, which is not currently available for inference"
    )
    with catalogue.lease(ModelTarget("m", label="stable")) as servable:
        assert servable.version == 1
    labelled(catalogue, stable=2)
    with catalogue.lease(ModelTarget("m", label="stable")) as servable:
        assert servable.version == 2


def test_new_labels_may_name_versions_to_come_where_allowed(catalogue, versions):
    versions.publish(FakeServable(1))
    labelled(catalogue, True, stable=1, canary=9)
    with pytest.raises(StatusError, match=r"Specific\(m, 9\)"), catalogue.lease(ModelTarget("m", label="canary")):
        pass
    with pytest.raises(StatusError, match="version 9 of model m"):
        labelled(catalogue, True, stable=9)


def test_a_version_in_use_is_not_closed(versions):
    servable = FakeServable(1)
    versions.publish(servable)
    with versions.lease(None) as leased:
        retiring = threading.Thread(target=versions.retire, args=(1,))
        retiring.start()
        retiring.join(0.1)
        assert leased is servable
        assert not servable.closed
        assert states(versions) == {1: ("UNLOADING", "OK")}
        with pytest.raises(StatusError), versions.lease(None):
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
def test_names_the_servable_that_is_missing(catalogue, versions, target, message):
    versions.publish(FakeServable(1))
    with pytest.raises(StatusError) as caught, catalogue.lease(target):
        pass
    assert caught.value.message == message


def test_status_of_something_unknown_is_not_found(catalogue, versions):
    versions.publish(FakeServable(1))
    for target, message in (
        (ModelTarget("x"), "Could not find any versions of model x"),
        (ModelTarget("m", 5), "Could not find version 5 of model m"),
    ):
        with pytest.raises(StatusError) as caught:
            catalogue.statuses(target)
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
    telemetry = Telemetry()
    telemetry.count_request("m", Code.OK)
    telemetry.count_request("m", Code.NOT_FOUND)
    telemetry.observe_request("m", "Predict", "REST", 17e-6)
    telemetry.observe_runtime("m", "Predict", 1e9)
    telemetry.observe_batch(size=4, padding=1)
    lines = telemetry.render().splitlines()
    assert len(BUCKETS_US) == 33
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1' in lines
    latency = ':tensorflow:serving:request_latency_bucket{model_name="m",API="Predict",entrypoint="REST",le='
    assert f'{latency}"10"}} 0' in lines
    assert f'{latency}"18"}} 1' in lines
    assert f'{latency}"+Inf"}} 1' in lines
    assert ':tensorflow:serving:runtime_latency_sum{model_name="m",API="Predict",runtime="TF1"} 1e+15' in lines
    assert ":tensorflow:serving:batching_session:wrapped_run_count{} 1" in lines
