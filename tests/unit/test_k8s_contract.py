"""Names, ports, paths, flags and metrics in k8s/ are those of the code and its settings."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from manifests import K8S, OVERLAYS, PARTS, ROOT, containers, everything, of_kind, pod_template, pods

import sazon
from sazon.cluster import STATE_PATH
from sazon.home import Home
from sazon.schema import MODEL_NAME
from sazon.settings import GatewaySettings, KubeflowSettings, MlflowSettings, ServingSettings, load_settings
from serving.model_server.config_files import read_batching, read_metrics_path, read_model_config
from serving.model_server.flags import parse_flags
from serving.monitoring import metrics
from serving.traffic import Traffic

PROD = "overlays/prod"
SERVING, GATEWAY, KUBEFLOW = ServingSettings(), GatewaySettings(), KubeflowSettings()
HOME = Home(Path(STATE_PATH))
RECIPE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
CONFIGS = K8S / "base" / "model-server-pods"
MANIFESTS = everything()
SAZON_CONTAINERS = {
    f"{name}-{container['name']}": container
    for name, item in MANIFESTS.items()
    if (template := pod_template(item))
    for container in containers(template)
    if container["image"].startswith("sazon/")
}


def only_container(name, part=PROD):
    (container,) = pods(part)[name]["spec"]["containers"]
    return container


def open_ports(name):
    return {port["name"]: port["containerPort"] for port in only_container(name)["ports"]}


def mounts(name):
    return {item["mountPath"]: item for item in only_container(name)["volumeMounts"]}


def variables(container):
    return {item["name"]: item["value"] for item in container.get("env", ()) if "value" in item}


def command_line(arguments):
    """Has the command line read the arguments, down to the last subcommand, without running it."""
    from typer.main import get_command

    from sazon.cli.main import app

    command = get_command(app)
    while hasattr(command, "commands") and arguments[0] in command.commands:
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command.make_context(command.name, list(arguments))


def test_the_model_server_s_flags_are_tensorflow_serving_s():
    arguments = only_container("model-server")["args"]
    files = {path.name: path for path in (K8S / "once" / "models.config", *CONFIGS.glob("*.config"))}
    here = [re.sub(r"/etc/model-server/(.+)", lambda found: str(files[found[1]]), item) for item in arguments]
    options = parse_flags(here, "model-server")
    assert (options.listen.grpc_port, options.listen.rest_port) == (SERVING.grpc_port, SERVING.rest_port)
    assert open_ports("model-server") == {"grpc": SERVING.grpc_port, "rest": SERVING.rest_port}
    assert options.allow_unavailable_labels, "else a server that restarts during a rollout does not start"
    assert options.config_poll_s > 0
    assert options.batching


def test_the_first_model_config_serves_the_newest_version_from_the_mounted_folder():
    (model,) = read_model_config(K8S / "once" / "models.config").model_config_list.config
    assert model.name == MODEL_NAME
    assert model.model_version_policy.WhichOneof("policy_choice") == "latest"
    mount = mounts("model-server")["/models"]
    assert mount == {"name": "state", "mountPath": "/models", "subPath": HOME.served.name, "readOnly": True}
    assert model.base_path == f"/models/{MODEL_NAME}"


def test_the_servers_take_as_many_rows_as_a_gateway_sends():
    from serving.gateway.questions import MAX_TEXTS

    assert read_batching(CONFIGS / "batching.config").max_batch_size >= MAX_TEXTS


def test_the_first_traffic_is_that_of_a_server_without_rollouts(tmp_path):
    Traffic().write(tmp_path / "traffic.json")
    assert (K8S / "once" / "traffic.json").read_text() == (tmp_path / "traffic.json").read_text()


def test_prometheus_reads_what_the_servers_show():
    found = {name: item["spec"]["podMetricsEndpoints"] for name, item in of_kind(PROD, "PodMonitor").items()}
    assert found["model-server"][0]["path"] == read_metrics_path(CONFIGS / "monitoring.config")
    assert found["gateway"][0]["path"] == "/metrics"
    for name, endpoints in found.items():
        assert {item["port"] for item in endpoints} <= open_ports(name).keys()


@pytest.mark.parametrize("kind", ["PrometheusRule", "ScaledObject"])
def test_queries_ask_for_metrics_and_labels_that_the_gateway_has(kind):
    known = {value for value in vars(metrics).values() if isinstance(value, str) and value.startswith("sazon_")}
    for item in of_kind(PROD, kind).values():
        asked = set(re.findall(r"\bsazon_\w+", yaml.safe_dump(item, width=10_000)))
        assert asked
        assert {name.removesuffix("_bucket") for name in asked} <= known


def test_promtool_takes_the_rules(tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing (Debian: prometheus)")
    rules = of_kind(PROD, "PrometheusRule")["sazon"]["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_calls_the_latency_that_scales_is_zero(tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing (Debian: prometheus)")
    triggers = of_kind(PROD, "ScaledObject")["model-server"]["spec"]["triggers"]
    (query,) = (item["metadata"]["query"] for item in triggers if item["type"] == "prometheus")
    name = 'sazon_gateway_inference_duration_seconds_bucket{namespace="sazon",role="stable",le="%s"}'
    quiet, busy = "5+0x10", "0+60x10"
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name % le, "values": values} for le in ("0.5", "1", "+Inf") if values],
            "promql_expr_test": [{"expr": query, "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": want}]}],
        }
        for values, want in ((None, 0), (quiet, 0), (busy, 0.475))
    ]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", tmp_path / "tests.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_gateway_reads_features_and_traffic_where_they_are_mounted(monkeypatch):
    container = only_container("gateway")
    for name, value in variables(container).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.state.root == HOME.root
    assert mounts("gateway")[str(HOME.features)]["subPath"] == HOME.features.name
    assert str(settings.gateway.traffic_file.parent) in mounts("gateway")
    assert (K8S / "once" / settings.gateway.traffic_file.name).exists(), "it is a key of the ConfigMap"
    assert open_ports("gateway") == {"http": GATEWAY.port}
    context = command_line(container["args"])
    assert context.params["port"] == GATEWAY.port
    host, port = context.params["model_grpc"].removeprefix("dns:///").split(":")
    assert of_kind(PROD, "Service")[host]["spec"]["clusterIP"] == "None", "one address for each replica"
    assert int(port) == SERVING.grpc_port


def test_the_gateway_s_probes_ask_what_it_answers():
    container = only_container("gateway")
    asked = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert asked == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    assert container["readinessProbe"]["timeoutSeconds"] > GATEWAY.timeout_s
    assert only_container("model-server")["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{MODEL_NAME}"


def test_the_internet_sees_pages_and_predictions_and_neither_metrics_nor_the_inbox():
    from serving.gateway.app import create_app
    from serving.gateway.config import GatewayConfig

    with_inbox = create_app(GatewayConfig(model_grpc="localhost:1", inbox=Path("/nowhere")))
    rules = {re.sub("<.*>", "", rule.rule) for rule in with_inbox.url_map.iter_rules()}
    (rule,) = of_kind(PROD, "Ingress")["gateway"]["spec"]["rules"]
    paths = {item["path"]: item["pathType"] for item in rule["http"]["paths"]}
    assert paths.keys() <= rules
    hidden = {path for path in rules if not any(matches(path, shown, kind) for shown, kind in paths.items())}
    assert hidden == {"/metrics", "/healthz", "/readyz", "/api/v1/feedback"}


def matches(path, shown, kind):
    return path == shown or (kind == "Prefix" and path.startswith(shown.rstrip("/") + "/"))


def test_images_are_built_here_and_have_this_version():
    for place, container in SAZON_CONTAINERS.items():
        name, _, tag = container["image"].removeprefix("sazon/").partition(":")
        assert f" AS {name}\n" in RECIPE, place
        assert tag in (sazon.__version__, f"{sazon.__version__}-gpu"), place


def test_environment_variables_are_settings():
    for place, container in SAZON_CONTAINERS.items():
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables(container).items():
                patch.setenv(name, value)
            settings = load_settings()
        assert settings.state.root == HOME.root or "SAZON_HOME" not in variables(container), place


@pytest.mark.parametrize("name", ["materialise-features", "rollout"])
def test_the_command_line_knows_what_jobs_run(name):
    part = "jobs" if name == "rollout" else PROD
    container = only_container(name, part)
    assert container["image"].startswith("sazon/pipeline:")
    assert command_line(container["args"])
    assert mounts_state(container)


def mounts_state(container):
    return {"name": "state", "mountPath": STATE_PATH} in container["volumeMounts"]


def test_features_are_written_for_the_stores_of_the_cluster(monkeypatch):
    from feature_repo.store_config import render

    container = only_container("materialise-features")
    for name, value in variables(container).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    config = yaml.safe_load(render(settings.state.features, settings.features))
    assert config["online_store"]["connection_string"] == "redis:6379,password=$REDIS_PASSWORD"
    assert config["registry"]["path"].endswith("$FEATURES_DATABASE_PASSWORD@postgres:5432/features")
    for name, part in (("gateway", PROD), ("feature-server", PROD), ("materialise-features", PROD)):
        filled_in = {item["name"] for item in only_container(name, part)["env"]}
        assert {"REDIS_PASSWORD", "FEATURES_DATABASE_PASSWORD"} <= filled_in
    arguments = only_container("feature-server")["args"]
    assert arguments[arguments.index("--chdir") + 1] == str(settings.state.features)


def test_postgres_makes_the_databases_that_are_asked_for():
    script = (K8S / "base" / "databases.sql").read_text()
    address = variables(only_container("mlflow"))["MLFLOW_BACKEND_STORE_URI"]
    assert address == "postgresql+psycopg://mlflow:$(DATABASE_PASSWORD)@postgres:5432/mlflow"
    for name in ("mlflow", "features"):
        assert f"CREATE DATABASE {name} OWNER {name};" in script
    asked = set(re.findall(r"\\getenv \w+ (\w+)", script))
    assert asked <= {item["name"] for item in only_container("postgres")["env"]}


def test_mlflow_listens_where_everybody_asks():
    port = MlflowSettings().port
    assert open_ports("mlflow") == {"http": port}
    hosts = variables(only_container("mlflow"))["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    asked = variables(only_container("rollout", "jobs"))["SAZON_MLFLOW__TRACKING_URI"]
    assert asked.removeprefix("http://") in hosts
    assert f"mlflow.{KUBEFLOW.namespace}.svc:{port}" in hosts


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pipelines_find_their_account_claim_and_images(overlay):
    assert KUBEFLOW.service_account in of_kind(f"overlays/{overlay}", "ServiceAccount")
    assert KUBEFLOW.state_claim in of_kind("once", "PersistentVolumeClaim")
    assert KUBEFLOW.namespace in of_kind("once", "Namespace")
    for image in (KUBEFLOW.image, KUBEFLOW.cpu_image):
        name, _, tag = image.removeprefix("sazon/").partition(":")
        assert f" AS {name}\n" in RECIPE
        assert tag == sazon.__version__


def test_everything_lives_in_one_namespace():
    for part in PARTS:
        for item in of_kind(part, "ConfigMap").values():
            assert item["metadata"]["namespace"] == KUBEFLOW.namespace
    assert json.dumps(list(MANIFESTS.values())).count('"namespace": "default"') == 0
