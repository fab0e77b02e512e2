"""What every pod must show, who may talk to whom, and who may do what."""

import re

import pytest
import yaml
from kustomize import build
from manifests import OVERLAYS, ROOT, containers, everything, of_kind, pod_template, pods, with_component
from network import allows, selects

from sazon.settings import KubeflowSettings

MANIFESTS = everything()
TEMPLATES = {name: template for name, item in MANIFESTS.items() if (template := pod_template(item))}
CONTAINERS = {
    f"{name}-{container['name']}": container
    for name, template in TEMPLATES.items()
    for container in containers(template)
}
RUNNING = {
    f"{name}-{container['name']}": container
    for name, item in MANIFESTS.items()
    if item["kind"] in ("Deployment", "StatefulSet")
    for container in TEMPLATES[name]["spec"]["containers"]
}
UNPRIVILEGED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
PLACEHOLDER = "local-only-not-a-secret"
PIPELINE = {"pipeline/runid": "8d4c"}
KSERVE = {"serving.kserve.io/inferenceservice": "taste"}
NEEDS_THE_API_SERVER = {"pipeline", "rollout"}


def overlay_path(overlay):
    return f"overlays/{overlay}"


def app(name):
    return {"app.kubernetes.io/name": name}


each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def test_images_name_a_version():
    for name, container in CONTAINERS.items():
        image, _, tag = container["image"].partition(":")
        assert image.startswith(("sazon/", "redis", "postgres", "minio/")), name
        assert re.fullmatch(r"(RELEASE\.)?\d[\w.-]*", tag), name


def test_containers_are_bounded():
    for name, container in CONTAINERS.items():
        resources = container["resources"]
        assert resources["requests"].keys() >= {"cpu", "memory"}, name
        assert "memory" in resources["limits"], name
        assert "cpu" not in resources["limits"], f"{name}: a limit of CPU slows a pod down while the node is idle"


def test_containers_have_no_privileges():
    assert {name for name, container in CONTAINERS.items() if container["securityContext"] != UNPRIVILEGED} == set()


def test_secrets_come_from_secrets():
    for name, container in CONTAINERS.items():
        for variable in container.get("env", ()):
            if re.search(r"PASSWORD$|SECRET|ACCESS_KEY|AUTH$", variable["name"]):
                assert variable["valueFrom"]["secretKeyRef"].keys() == {"name", "key"}, name


def test_servers_have_probes_on_ports_that_they_open():
    for name, container in RUNNING.items():
        ports = {port["name"] for port in container["ports"]}
        for kind in ("startup", "readiness", "liveness"):
            probe = container[f"{kind}Probe"]
            asked = probe.get("httpGet") or probe.get("tcpSocket")
            assert asked["port"] in ports if asked else probe["exec"]["command"], f"{name}: {kind}"


def test_pods_run_as_somebody_and_share_nothing_with_the_node():
    for name, template in TEMPLATES.items():
        spec, context = template["spec"], template["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == context["runAsGroup"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
        assert all("hostPath" not in volume for volume in spec.get("volumes", ())), name


def test_pods_hold_a_token_only_to_ask_the_api_server():
    for name, template in TEMPLATES.items():
        spec = template["spec"]
        account = spec["serviceAccountName"]
        assert account != "default", name
        assert spec["automountServiceAccountToken"] is (account in NEEDS_THE_API_SERVER), name
        assert spec["enableServiceLinks"] is False, f"{name}: Sazón refuses SAZON_… variables that it does not know"


@each_overlay
def test_every_account_is_there_and_holds_a_token_only_with_a_role(overlay):
    accounts, roles = of_kind(overlay_path(overlay), "ServiceAccount"), of_kind(overlay_path(overlay), "RoleBinding")
    used = {template["spec"]["serviceAccountName"] for template in pods(overlay_path(overlay)).values()}
    assert used <= accounts.keys()
    bound = {subject["name"] for binding in roles.values() for subject in binding["subjects"]}
    assert bound == NEEDS_THE_API_SERVER
    for name, account in accounts.items():
        assert account.get("automountServiceAccountToken", True) is (name in bound)


@each_overlay
def test_roles_are_narrow(overlay):
    assert not of_kind(overlay_path(overlay), "ClusterRole")
    assert not of_kind(overlay_path(overlay), "ClusterRoleBinding")
    for role in of_kind(overlay_path(overlay), "Role").values():
        for rule in role["rules"]:
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
            if {"secrets", "configmaps"} & set(rule["resources"]):
                assert rule["resourceNames"]
                assert not {"list", "watch", "create", "delete"} & set(rule["verbs"])
            assert not {"pods/exec", "serviceaccounts/token", "roles", "rolebindings"} & set(rule["resources"])


def test_a_rollout_may_change_who_answers_and_nothing_else():
    (one, two) = of_kind("overlays/prod", "Role")["rollout"]["rules"]
    assert one == {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["model-config", "traffic"],
        "verbs": ["get", "patch"],
    }
    assert two == {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]}


def test_a_pipeline_may_do_what_its_pods_do_and_nothing_else():
    rules = of_kind("overlays/prod", "Role")["pipeline"]["rules"]
    found = {(*rule["apiGroups"], *rule["resources"], *rule.get("resourceNames", ())): rule["verbs"] for rule in rules}
    assert len(found) == len(rules)
    assert found == {
        ("argoproj.io", "workflowtaskresults"): ["create", "patch"],
        ("", "configmaps", "kfp-launcher"): ["get"],
        ("", "secrets", "mlpipeline-minio-artifact"): ["get"],
        ("trainer.kubeflow.org", "trainjobs"): ["create", "get", "delete"],
        ("", "pods", "pods/log"): ["get", "list"],
    }


def test_the_quota_covers_every_kind_of_gpu_that_our_documents_name():
    texts = [(ROOT / path).read_text(encoding="utf-8") for path in ("k8s/README.md", "docs/guides/kubernetes.md")]
    named = set(re.findall(r"`(?:kubeflow\.gpu: )?(nvidia\.com/(?:gpu\.shared|mig-[\w.]+))`", " ".join(texts)))
    assert len(named) > 1
    quota = of_kind("overlays/gpu", "ResourceQuota")["gpus"]["spec"]["hard"]
    assert quota.keys() >= {f"requests.{name}" for name in (*named, KubeflowSettings().gpu)}


def test_a_server_without_a_model_is_not_restarted_while_the_first_one_trains():
    for name in ("model-server", "gateway"):
        template = pods("overlays/local")[name]
        (probe,) = [item["startupProbe"] for item in template["spec"]["containers"]]
        if "tcpSocket" in probe:
            assert probe["periodSeconds"] * probe["failureThreshold"] >= 12 * 3600
        else:
            assert probe["httpGet"]["path"] == "/healthz", "which does not ask for a model"


def test_only_the_local_overlay_holds_secrets_and_they_say_that_they_are_none():
    secrets = {name: item for name, item in MANIFESTS.items() if item["kind"] == "Secret"}
    assert secrets
    for name, item in secrets.items():
        assert name.startswith("overlays/local")
        assert set(item["stringData"].values()) - {"http://object-store:9000"} == {PLACEHOLDER}


@pytest.mark.parametrize("overlay", ["local", "prod"])
def test_every_secret_that_a_pod_reads_is_made(overlay):
    made = {
        name: {*item.get("stringData", ())} | {entry["secretKey"] for entry in item.get("spec", {}).get("data", ())}
        for kind in ("Secret", "ExternalSecret")
        for name, item in of_kind(overlay_path(overlay), kind).items()
    }
    for template in pods(overlay_path(overlay)).values():
        for container in containers(template):
            for variable in container.get("env", ()):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert reference["key"] in made[reference["name"]]


@each_overlay
def test_what_a_pod_mounts_is_there(overlay):
    part = overlay_path(overlay)
    claims = {"sazon-state", *of_kind(part, "PersistentVolumeClaim")}
    maps = {"model-config", "traffic", *of_kind(part, "ConfigMap")}
    for name, template in pods(part).items():
        volumes = {volume["name"] for volume in template["spec"].get("volumes", ())}
        own = {
            claim["metadata"]["name"]
            for claim in of_kind(part, "StatefulSet").get(name, {"spec": {}})["spec"].get("volumeClaimTemplates", ())
        }
        mounted = {mount["name"] for container in containers(template) for mount in container["volumeMounts"]}
        assert mounted == volumes | own
        for volume in template["spec"].get("volumes", ()):
            sources = volume.get("projected", {}).get("sources", [volume])
            assert {source["configMap"]["name"] for source in sources if "configMap" in source} <= maps
            if claim := volume.get("persistentVolumeClaim"):
                assert claim["claimName"] in claims


@each_overlay
def test_servers_that_scale_survive_a_node_that_leaves(overlay):
    part = overlay_path(overlay)
    for name in ("model-server", "gateway"):
        template = pods(part)[name]
        budget = of_kind(part, "PodDisruptionBudget")[name]["spec"]
        assert selects(budget["selector"], template["metadata"]["labels"])
        assert budget["maxUnavailable"] == 1, "a share would block the only replica for ever, or allow none to stay"
        keys = {item["topologyKey"] for item in template["spec"]["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert "replicas" not in of_kind(part, "Deployment")[name]["spec"], "applying would undo the autoscaler"
        scalers = [
            item
            for item in (*of_kind(part, "HorizontalPodAutoscaler").values(), *of_kind(part, "ScaledObject").values())
            if item["spec"]["scaleTargetRef"]["name"] == name
        ]
        assert len(scalers) == 1


@each_overlay
def test_services_reach_their_pods(overlay):
    templates = pods(overlay_path(overlay)).values()
    for name, service in of_kind(overlay_path(overlay), "Service").items():
        reached = [
            item for item in templates if service["spec"]["selector"].items() <= item["metadata"]["labels"].items()
        ]
        assert reached, name
        for template in reached:
            ports = {
                port["name"]: port["containerPort"] for item in template["spec"]["containers"] for port in item["ports"]
            }
            assert all(ports[port["targetPort"]] == port["port"] for port in service["spec"]["ports"])


def policies(overlay):
    return of_kind(overlay_path(overlay), "NetworkPolicy").values()


@each_overlay
def test_pods_reach_what_their_settings_name(overlay):
    services = of_kind(overlay_path(overlay), "Service")
    seen = set()
    for part in (overlay_path(overlay), "jobs"):
        for name, template in pods(part).items():
            said = yaml.safe_dump([[item.get("args"), item.get("env")] for item in containers(template)])
            for host, port in re.findall(r"(?:[/@ ]|^)([a-z][-a-z]*)(?:\.sazon\.svc)?:(\d+)", said):
                if host in services and host != name:
                    target = services[host]["spec"]["selector"]
                    assert allows(policies(overlay), template["metadata"]["labels"], target, int(port)), (host, port)
                    seen.add((template["metadata"]["labels"]["app.kubernetes.io/name"], host))
    assert {
        ("gateway", "model-server-replicas"),
        ("features", "redis"),
        ("features", "postgres"),
        ("mlflow", "postgres"),
        ("rollout", "mlflow"),
    } <= seen


NEEDED = [
    (app("rollout"), app("model-server"), 8500),
    (app("rollout"), app("gateway"), 8080),
    (app("rollout"), "outside", 6443),
    (app("gateway"), app("redis"), 6379),
    (app("gateway"), app("postgres"), 5432),
    (app("feature-server"), app("redis"), 6379),
    (PIPELINE, app("mlflow"), 5000),
    (PIPELINE, app("model-server"), 8500),
    (PIPELINE, app("redis"), 6379),
    (PIPELINE, app("postgres"), 5432),
    (PIPELINE, "kubeflow", 9000),
    (PIPELINE, "outside", 6443),
    (app("trainer"), app("trainer"), 29_500),
    (app("trainer"), app("mlflow"), 5000),
    (app("mlflow"), "outside", 443),
    ("monitoring", app("gateway"), 8080),
    ("monitoring", app("model-server"), 8501),
    ("istio-system", KSERVE, 8012),
    ("knative-serving", KSERVE, 8012),
    ("knative-serving", KSERVE, 9090),
]
FORBIDDEN = [
    (app("gateway"), app("mlflow"), 5000),
    (app("gateway"), "outside", 443),
    (app("model-server"), "outside", 443),
    (app("model-server"), app("postgres"), 5432),
    (app("trainer"), app("postgres"), 5432),
    (app("trainer"), app("redis"), 6379),
    (app("rollout"), app("redis"), 6379),
    (app("somebody-else"), app("model-server"), 8500),
    ("default", app("gateway"), 8080),
    ("default", app("mlflow"), 5000),
    ("default", KSERVE, 8012),
    (KSERVE, app("postgres"), 5432),
    (KSERVE, "outside", 443),
    ("monitoring", app("postgres"), 5432),
]


@each_overlay
def test_what_has_to_talk_may_and_nothing_else(overlay):
    found = [*policies(overlay), *of_kind("kserve", "NetworkPolicy").values()]
    assert [connection for connection in NEEDED if not allows(found, *connection)] == []
    assert [connection for connection in FORBIDDEN if allows(found, *connection)] == []


def test_the_ingress_controller_reaches_the_gateway_in_production_only():
    assert allows(policies("prod"), "ingress-nginx", app("gateway"), 8080)
    assert not allows(policies("gpu"), "ingress-nginx", app("gateway"), 8080)


def test_every_pod_may_ask_for_names():
    (rule,) = of_kind("overlays/prod", "NetworkPolicy")["all-ask-dns"]["spec"]["egress"]
    assert {(port["port"], port["protocol"]) for port in rule["ports"]} == {(53, "UDP"), (53, "TCP")}


def test_a_canary_of_the_server_shares_its_calls_and_not_its_pods(tmp_path):
    found = build(with_component("server-canary", tmp_path))
    made = {(item["kind"], item["metadata"]["name"]): item["spec"] for item in found if "spec" in item}
    stable, canary = made["Deployment", "model-server"], made["Deployment", "model-server-canary"]
    labels = [one["template"]["metadata"]["labels"] for one in (stable, canary)]
    assert not selects(stable["selector"], labels[1])
    assert not selects(canary["selector"], labels[0])
    for service in ("model-server", "model-server-replicas"):
        assert all(made["Service", service]["selector"].items() <= one.items() for one in labels)
    alone = made["Service", "model-server-canary"]["selector"]
    assert [alone.items() <= one.items() for one in labels] == [False, True]
