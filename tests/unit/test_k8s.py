"""The Kubernetes base: valid by the schemas of 1.32, and in step with the settings that the processes start from."""

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import sazon
from sazon.schema import MODEL_NAME
from sazon.settings import GatewaySettings, ServingSettings

BASE = Path(__file__).parents[2] / "k8s" / "base"
KUBERNETES = "1.32"
KUSTOMIZATION = "kustomization.yaml"
FILES = sorted(path.name for path in BASE.rglob("*.yaml") if path.name != KUSTOMIZATION)
MANIFESTS = [item for name in FILES for item in yaml.safe_load_all((BASE / name).read_text(encoding="utf-8"))]
SERVING, GATEWAY = ServingSettings(), GatewaySettings()


def label(manifest):
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def of_kind(kind):
    return {item["metadata"]["name"]: item for item in MANIFESTS if item["kind"] == kind}


DEPLOYMENTS = of_kind("Deployment")
PODS = {name: item["spec"]["template"]["spec"] for name, item in DEPLOYMENTS.items()}
CONTAINERS = [(pod, container) for pod in PODS.values() for container in pod["containers"]]
each_container = pytest.mark.parametrize(("pod", "container"), CONTAINERS, ids=[item["name"] for _, item in CONTAINERS])


def container_ports(deployment):
    return {port["name"]: port["containerPort"] for port in PODS[deployment]["containers"][0]["ports"]}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=label)
def test_every_manifest_follows_the_schema(manifest):
    assert kubernetes_validate.validate(manifest, KUBERNETES, strict=True) == KUBERNETES


def test_the_schema_check_is_strict():
    wrong = {**DEPLOYMENTS["gateway"], "replica": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_the_kustomization_lists_every_file():
    kustomization = yaml.safe_load((BASE / KUSTOMIZATION).read_text(encoding="utf-8"))
    assert sorted(kustomization["resources"]) == FILES
    assert kustomization["namespace"] in of_kind("Namespace")


def test_model_server_serves_the_model_on_the_default_ports():
    flags = dict(flag.removeprefix("--").split("=") for flag in PODS["model-server"]["containers"][0]["args"])
    assert flags == {
        "model_name": MODEL_NAME,
        "model_base_path": f"/models/{MODEL_NAME}",
        "rest_api_port": str(SERVING.rest_port),
        "port": str(SERVING.grpc_port),
    }
    assert container_ports("model-server") == {"grpc": SERVING.grpc_port, "rest": SERVING.rest_port}


def test_the_model_volume_is_read_only():
    pod = PODS["model-server"]
    mount = next(item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "model")
    volume = next(item for item in pod["volumes"] if item["name"] == "model")
    assert mount == {"name": "model", "mountPath": f"/models/{MODEL_NAME}", "readOnly": True}
    assert volume["persistentVolumeClaim"]["claimName"] in of_kind("PersistentVolumeClaim")


def test_the_gateway_asks_the_model_server_s_service():
    args = PODS["gateway"]["containers"][0]["args"]
    host, port = args[args.index("--model-grpc") + 1].split(":")
    assert int(port) in {item["port"] for item in of_kind("Service")[host]["spec"]["ports"]}
    assert int(port) == SERVING.grpc_port
    assert container_ports("gateway") == {"http": GATEWAY.port}


def test_the_command_line_knows_the_gateway_s_arguments():
    from typer.main import get_command

    from sazon.cli.main import app

    container = PODS["gateway"]["containers"][0]
    assert container["command"] == ["sazon"]
    command, *flags = container["args"]
    get_command(app).commands[command].make_context(command, flags)


def test_the_gateway_runs_this_version():
    assert PODS["gateway"]["containers"][0]["image"] == f"sazon/gateway:{sazon.__version__}"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_services_reach_their_pods(name):
    service, labels = of_kind("Service")[name]["spec"], DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    ports = container_ports(name)
    assert {ports[port["targetPort"]] for port in service["ports"]} == set(ports.values())
    assert all(port["port"] == ports[port["targetPort"]] for port in service["ports"])


@each_container
def test_probes_ask_paths_and_ports_that_exist(pod, container):
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {probe["port"] for probe in probes.values()} <= {port["name"] for port in container["ports"]}
    paths = {name: probe["path"] for name, probe in probes.items()}
    if container["name"] == "gateway":
        assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
        assert container["readinessProbe"]["timeoutSeconds"] > GATEWAY.timeout_s
    else:
        assert set(paths.values()) == {f"/v1/models/{MODEL_NAME}"}


@each_container
def test_containers_are_bounded_and_pinned(pod, container):
    assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    tag = container["image"].partition(":")[2]
    assert tag
    assert tag != "latest"


@each_container
def test_containers_have_no_privileges(pod, container):
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_pods_hold_no_token_and_no_foreign_variables(pod):
    account = of_kind("ServiceAccount")[pod["serviceAccountName"]]
    assert account["automountServiceAccountToken"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_the_gateway_can_write_its_state():
    container = PODS["gateway"]["containers"][0]
    home = next(item["value"] for item in container["env"] if item["name"] == "SAZON_HOME")
    mounts = {item["mountPath"]: item["name"] for item in container["volumeMounts"]}
    volumes = {item["name"]: item for item in PODS["gateway"]["volumes"]}
    assert "emptyDir" in volumes[mounts[home]]
