"""Rollouts as on a cluster: the model server polls its configuration file, a Prometheus server scrapes the gateway."""

import shutil
import socket
import subprocess
import time

import grpc
import pytest
from waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]

tf = pytest.importorskip("tensorflow")

from benchmarks.rollout_workload import Stack, Visitors, export  # noqa: E402
from sazon.errors import ServingError  # noqa: E402
from serving.rollout import steps  # noqa: E402
from serving.rollout.doctor import examine  # noqa: E402
from serving.rollout.figures import Reading  # noqa: E402
from serving.rollout.metrics_reader import GatewayReader, PrometheusReader  # noqa: E402
from serving.rollout.store import Outcome, RolloutStore  # noqa: E402

EASY = {**dict.fromkeys(("error_margin", "median_margin", "tail_margin", "drift_margin"), 0.9), "min_samples": 20}
OTHER = 'model_config_list {{ config {{ name: "other" base_path: "{}" model_platform: "tensorflow" }} }}'


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Its model server serves another model too."""
    models, home = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("home")
    for kind in ("champion", "good"):
        export(models / kind, kind)
    shutil.copytree(models / "good", models / "other" / "1")
    config = home / "models.config"
    config.write_text(OTHER.format(models / "other"))
    made = Stack(home, models, config).start()
    yield made
    made.stop()


def test_a_restarted_server_finds_both_versions_in_the_file_and_the_other_model_stays(stack, monkeypatch):
    monkeypatch.setattr(steps, "verify_apart", lambda folder, champion: {})
    stack.enter(2, "good")
    servers, seen = stack.place(print).servers, []

    def tell(text: str) -> None:
        if "answers 50%" in text and not seen:
            stack.restart_server()
            seen.append((servers.labelled("stable"), servers.labelled("canary")))

    with Visitors(stack.url, count=3) as visitors:
        ended = stack.roll_out(2, tell, **EASY)
    assert ended.outcome is Outcome.PROMOTED, ended.reason
    assert seen == [(1, 2)], "before anybody told it again"
    assert set(visitors.answered) == {"1", "2"}
    assert [one.problem for one in examine(stack.place(print), RolloutStore(stack.home / "rollouts"))] == []
    assert servers.states()[1].state == "AVAILABLE"
    assert is_served(stack.grpc, "other")


def is_served(address: str, name: str) -> bool:
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
    from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

    request = GetModelStatusRequest()
    request.model_spec.name = name
    with grpc.insecure_channel(address) as channel:
        (found,) = ModelServiceStub(channel).GetModelStatus(request, timeout=10).model_version_status
    return found.state == ModelVersionStatus.AVAILABLE


@pytest.fixture
def prometheus(stack, tmp_path):
    """URL of a server that scrapes the gateway every second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    config = tmp_path / "prometheus.yml"
    job = f"job_name: gateway, static_configs: [{{targets: ['{stack.url.removeprefix('http://')}']}}]"
    config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs: [{{{job}}}]\n")
    address = f"127.0.0.1:{free_port()}"
    flags = {"config.file": config, "storage.tsdb.path": tmp_path / "tsdb", "web.listen-address": address}
    command = [program, *(f"--{name}={value}" for name, value in flags.items())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://{address}"
    process.terminate()
    process.wait(30)


def test_prometheus_tells_what_the_gateway_counted_and_nothing_once_it_is_gone(stack, prometheus):
    with Visitors(stack.url, count=2):
        time.sleep(0.5)
    (direct,) = GatewayReader(lambda: [f"{stack.url}/metrics"]).read().values()
    reader = PrometheusReader(prometheus)
    wait_until(lambda: list(read(reader).values()) == [direct])
    assert direct
    stack.gateway.kill()
    wait_until(lambda: not read(reader))


def read(reader: PrometheusReader) -> Reading:
    try:
        return reader.read()
    except ServingError:
        return {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
