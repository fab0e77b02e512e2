"""The very files that the ConfigMaps hold, in the processes that read them, laid out as the kubelet lays them out."""

import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
pytest.importorskip("tensorflow_serving.apis")

from manifests import of_kind, pods  # noqa: E402
from waiting import wait_until  # noqa: E402

from sazon.schema import MODEL_NAME  # noqa: E402
from serving.gateway.routing import TrafficFile  # noqa: E402
from serving.model_server.config_files import read_metrics_path  # noqa: E402
from serving.traffic import CANARY, STABLE, Traffic  # noqa: E402
from tests.integration.model_server.process import Server  # noqa: E402
from tests.integration.model_server.saved_models import export_toy  # noqa: E402

DEPLOYED = pods("overlays/prod")["model-server"]["spec"]["containers"][0]["args"]
SETTINGS = of_kind("overlays/prod", "ConfigMap")["model-server-settings"]["data"]
ONCE = {name: item["data"] for name, item in of_kind("once", "ConfigMap").items()}
ON_TRIAL = (
    "model_version_policy { specific { versions: 1 versions: 2 } } "
    'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'
)


def mount(content: dict[str, str], folder: Path) -> None:
    """Lays a ConfigMap out: each file is a link through ..data, which is replaced as a whole."""
    generation = folder / f"..{time.monotonic_ns()}"
    generation.mkdir(parents=True)
    for name, text in content.items():
        (generation / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..new").symlink_to(generation.name)
    (folder / "..new").replace(folder / "..data")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What stands for the pod's root."""
    place = tmp_path_factory.mktemp("pod")
    for version in (1, 2):
        export_toy(place / "models" / MODEL_NAME, version)
    return place


@pytest.fixture(scope="module")
def server(place):
    """`model-server` with the flags and files of its pod; ports and the pace of polling are the test's."""
    mount({**SETTINGS, **below(place, ONCE["model-config"])}, place / "etc" / "model-server")
    flags = [flag.replace("=/etc/", f"={place}/etc/") for flag in DEPLOYED]
    flags = [flag for flag in flags if not flag.startswith(("--port=", "--rest_api_port="))]
    started = Server(*flags, "--model_config_file_poll_wait_seconds=0.2").wait_ready()
    yield started
    assert started.stop() == 0


def below(place: Path, content: dict[str, str]) -> dict[str, str]:
    return {name: text.replace('"/models/', f'"{place}/models/') for name, text in content.items()}


def test_without_a_rollout_the_newest_version_is_served(server):
    assert server.states(MODEL_NAME) == {"2": "AVAILABLE"}
    status, answer = server.post(f"/v1/models/{MODEL_NAME}:predict", {"instances": ["rico"] * 300})
    assert status == 200
    assert len(answer["predictions"]) == 300


def test_metrics_are_where_prometheus_looks(server, tmp_path):
    (tmp_path / "monitoring.config").write_text(SETTINGS["monitoring.config"])
    status, body = server.request("GET", read_metrics_path(tmp_path / "monitoring.config"))
    assert status == 200
    assert b":tensorflow:serving:request_count" in body


def test_a_patched_config_map_brings_a_version_on_trial(server, place):
    (name, text) = next(iter(below(place, ONCE["model-config"]).items()))
    patched = text.replace("model_version_policy { latest { num_versions: 1 } }", ON_TRIAL)
    assert patched != text
    mount({**SETTINGS, name: patched}, place / "etc" / "model-server")
    wait_until(lambda: server.states(MODEL_NAME) == {"1": "AVAILABLE", "2": "AVAILABLE"})
    for label, version in ((STABLE, "v1"), (CANARY, "v2")):
        address = f"/v1/models/{MODEL_NAME}/labels/{label}:predict"
        wait_until(lambda address=address: server.post(address, {"instances": ["rico"]})[0] == 200)
        _, answer = server.post(address, {"instances": ["rico"]})
        assert answer["predictions"][0]["label"] == version


def test_a_gateway_follows_its_patched_config_map(tmp_path):
    mount(ONCE["traffic"], tmp_path)
    file = TrafficFile(tmp_path / "traffic.json", check_s=0)
    assert file.current() == Traffic()
    mount({"traffic.json": '{"stable": 1, "canary": 2, "canary_share": 0.05}'}, tmp_path)
    assert file.current() == Traffic(1, 2, 0.05)
