"""Group reload: HandleReloadConfigRequest and the polled configuration file."""

import grpc
import pytest
from waiting import wait_until

from tests.integration.model_server.conftest import model_config, model_entry
from tests.integration.model_server.process import Server
from tests.integration.model_server.requests import predict_request, reload_request


@pytest.fixture(scope="module")
def base(tmp_path_factory, exported):
    folder = tmp_path_factory.mktemp("reload")
    for name in ("m", "other"):
        (folder / name).mkdir()
        for version in ("1", "2", "3"):
            (folder / name / version).symlink_to(exported / version)
    (folder / "broken" / "1").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def reloaded(base):
    """A server of its own, for tests that change it; each begins with the configuration that it needs."""
    flags = (f"--model_base_path={base / 'm'}", "--model_name=m", "--max_num_load_retries=0")
    started = Server(*flags).wait_ready()
    yield started
    assert started.stop() == 0


def entry(base, name="m", **more):
    return {"name": name, "base_path": str(base / name), **more}


def apply(server, *entries, **config) -> None:
    server.model.HandleReloadConfigRequest(reload_request(*entries, **config), timeout=60)


def refused(server, *entries, **config) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        apply(server, *entries, **config)
    return caught.value.code().name, caught.value.details()


def available(server, model="m") -> set[str]:
    return {version for version, state in server.states(model).items() if state == "AVAILABLE"}


def label_of(server, label: str) -> int:
    request = predict_request(b"a", model="m", label=label)
    return server.prediction.Predict(request, timeout=10).model_spec.version.value


def test_a_canary_step_by_step(reloaded, base):
    apply(reloaded, entry(base, versions=[1]))
    wait_until(lambda: available(reloaded) == {"1"})
    apply(reloaded, entry(base, versions=[1, 2], labels={"stable": 1}))
    wait_until(lambda: available(reloaded) == {"1", "2"})
    apply(reloaded, entry(base, versions=[1, 2], labels={"stable": 1, "canary": 2}))
    assert (label_of(reloaded, "stable"), label_of(reloaded, "canary")) == (1, 2)
    apply(reloaded, entry(base, versions=[1, 2], labels={"stable": 2}))
    assert label_of(reloaded, "stable") == 2
    assert "Unrecognized" in reloaded.post("/v1/models/m/labels/canary:predict", {"instances": ["a"]})[1]["error"]
    apply(reloaded, entry(base, versions=[2], labels={"stable": 2}))
    wait_until(lambda: available(reloaded) == {"2"})


def test_a_label_of_a_version_that_is_not_there_changes_nothing(reloaded, base):
    apply(reloaded, entry(base, versions=[1]))
    wait_until(lambda: available(reloaded) == {"1"})
    apply(reloaded, entry(base, versions=[1], labels={"stable": 1}))
    assert refused(reloaded, entry(base, versions=[1, 3], labels={"stable": 3})) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 3 of model m, which is not currently available for inference",
    )
    assert label_of(reloaded, "stable") == 1
    assert available(reloaded) == {"1"}


def test_models_come_and_go(reloaded, base):
    apply(reloaded, entry(base), entry(base, "other", versions="all"))
    assert available(reloaded, "other")
    wait_until(lambda: available(reloaded, "other") == {"1", "2", "3"})
    apply(reloaded, entry(base))
    wait_until(lambda: set(reloaded.states("other").values()) == {"END"})
    assert reloaded.post("/v1/models/other:predict", {"instances": ["a"]})[0] == 404
    assert reloaded.post("/v1/models/m:predict", {"instances": ["a"]})[0] == 200


def test_a_new_model_that_does_not_load(reloaded, base):
    code, message = refused(reloaded, entry(base), entry(base, "broken"))
    assert code == "UNKNOWN"
    assert message.startswith("1 model(s) did not become available: {{{name: broken version: 1} due to error: ")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (("m", "m"), "Illegal to list model m multiple times in config list"),
        (("relative",), "Expected model relative to have an absolute path or URI; got base_path()=some/where"),
        (
            (),
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
            "supported",
        ),
    ],
)
def test_wrong_configurations_change_nothing(reloaded, base, entries, message):
    listed = [entry(base, name) if name == "m" else {"name": name, "base_path": "some/where"} for name in entries]
    assert refused(reloaded, *listed) == ("INVALID_ARGUMENT", message)
    assert reloaded.post("/v1/models/m:predict", {"instances": ["a"]})[0] == 200


def test_a_configuration_file_is_read_again(tmp_path, base):
    file = tmp_path / "models.config"
    file.write_text(model_config(model_entry("m", base / "m", "model_version_policy { specific { versions: 1 } }")))
    server = Server(f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1").wait_ready()
    try:
        file.write_text("model_config_list {")
        labels = 'version_labels { key: "stable" value: 2 }'
        policy = "model_version_policy { specific { versions: 1 versions: 2 } }"
        file.write_text(model_config(model_entry("m", base / "m", policy), model_entry("other", base / "other")))
        wait_until(lambda: available(server) == {"1", "2"} and available(server, "other") == {"3"})
        file.write_text(model_config(model_entry("m", base / "m", f"{policy} {labels}")))
        wait_until(lambda: server.post("/v1/models/m/labels/stable:predict", {"instances": ["a"]})[0] == 200)
    finally:
        assert server.stop() == 0
