"""docker/: the images' recipe, the laptop's compose file, the scripts beside them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from manifests import K8S, OVERLAYS, ROOT, containers, pods

import sazon

DOCKER = ROOT / "docker"
RECIPE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
IMAGES = ("gateway", "mlflow", "pipeline", "server", "trainer-gpu")
INSTALLED = dict(
    re.findall(r"^FROM lock AS (.+)-packages\nRUN docker/install\.sh /opt/venv (.+?)(?: \\)?$", RECIPE, re.M)
)
STAGES = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", RECIPE, re.M | re.S))
SCRIPTS = [*DOCKER.glob("*.sh"), *(ROOT / "tools").glob("*.sh"), ROOT / ".ci" / "run"]


def tool(name):
    """A program of the environment that the tests run in."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing (make setup)")
    return found


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_nothing():
    run(tool("hadolint"), DOCKER / "Dockerfile")


def test_shellcheck_finds_nothing():
    run(tool("shellcheck"), *SCRIPTS)


def test_the_compose_file_is_one():
    schema = "vendor.compose-spec"
    run(tool("check-jsonschema"), "--builtin-schema", schema, DOCKER / "compose.yaml")
    compose = shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True)
    if compose and compose.returncode == 0:
        run("docker", "compose", "--file", DOCKER / "compose.yaml", "config", "--quiet")


@pytest.mark.parametrize("name", IMAGES)
def test_images_run_as_nobody_in_particular_and_say_what_they_are(name):
    stage = STAGES[name]
    user = {int(pod["spec"]["securityContext"]["runAsUser"]) for pod in sazon_pods()}
    assert user == {10_001}
    assert re.findall(r"^USER (.+)$", stage, re.M) == ["10001:10001"]
    assert stage.index("USER") < stage.index("HEALTHCHECK") < stage.index("ENTRYPOINT [")
    for label in ("title", "description"):
        assert f"org.opencontainers.image.{label}=" in stage
    common = stage if name == "server" else STAGES["python"]
    for label in ("version", "revision", "vendor", "base.name"):
        assert f"org.opencontainers.image.{label}=" in common


def sazon_pods():
    return [
        pod
        for part in (*(f"overlays/{name}" for name in OVERLAYS), "jobs")
        for pod in pods(part).values()
        if any(container["image"].startswith("sazon/") for container in containers(pod))
    ]


def test_bases_have_a_version_and_take_a_digest():
    bases = dict(re.findall(r"^ARG (PYTHON|SERVING)=(\S+)$", RECIPE, re.M))
    assert bases.keys() == {"PYTHON", "SERVING"}
    for name, image in bases.items():
        assert re.fullmatch(r"[a-z/-]+:\d[\w.-]+", image)
        assert f"FROM ${{{name}}}${{{name}_DIGEST}} AS" in RECIPE
    assert bases["PYTHON"].startswith("python:3.11."), "what the lock was resolved for"


def test_packages_come_from_extras_of_setup_py_and_from_the_lock():
    listed = (ROOT / "setup.py").read_text(encoding="utf-8")
    extras = set(re.findall(r'^    "([a-z]+)": \[', listed, re.M))
    locked = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert INSTALLED.keys() == set(IMAGES) - {"server"}
    for arguments in INSTALLED.values():
        names, _, further = arguments.partition(" -- ")
        assert set(names.split()) <= extras
        assert not further or further in locked or (ROOT / further.removeprefix("-r ")).exists()


@pytest.mark.parametrize("name", sorted(set(IMAGES) - {"server", "mlflow"}))
def test_images_hold_the_packages_of_the_repository_that_their_code_imports(name):
    stage = STAGES[name] + (STAGES["code"] if f"FROM code AS {name}" in RECIPE else "")
    held = set(re.findall(r"^COPY ([a-z_]+) /opt/sazon/\1$", stage, re.M))
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{folder}" for folder in held} <= set(ignored)
    assert {"sazon", "data", "serving", "feature_repo"} <= held
    if name != "gateway":
        assert {"models", "components", "pipelines"} <= held


def test_what_the_recipe_copies_is_not_ignored():
    kept = [line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    for arguments in re.findall(r"^COPY (?!.*--from)(?:--\S+ )*(.+)$", RECIPE, re.M):
        for source in arguments.split()[:-1]:
            assert list(ROOT.glob(source)), source
            assert any(source == place or source.startswith(f"{place}/") for place in kept), source


def test_the_server_image_serves_without_arguments_as_the_pods_do():
    flags = re.search(r"^CMD (\[.*?\])", STAGES["server"], re.M | re.S)[1].replace("\\\n", "")
    deployed = pods("overlays/prod")["model-server"]["spec"]["containers"][0]["args"]
    assert set(json.loads(flags)) <= set(deployed)


@pytest.mark.parametrize("name", SERVICES)
def test_laptop_services_are_shut_in(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    image, _, tag = service["image"].partition(":")
    assert tag == sazon.__version__ if image.startswith("sazon/") else re.match(r"v?\d|RELEASE\.\d", tag)


def test_the_laptop_s_secrets_say_that_they_are_none():
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    for found in re.findall(r"(?:PASSWORD|_KEY|_KEY_ID|_USER|AUTH): (\S+)", text):
        assert found.lstrip("&*").removeprefix("password ") in ("password", "local-only-not-a-secret")
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"] == "local-only-not-a-secret"


def test_the_laptop_runs_the_versions_of_the_cluster():
    local = {c["image"] for pod in pods("overlays/local").values() for c in containers(pod)}
    here = {service["image"] for service in SERVICES.values()}
    assert here - local == {image for image in here if image.startswith(("prom/", "grafana/"))}


def test_the_laptop_s_settings_and_commands_are_sazon_s(monkeypatch):
    from sazon.settings import load_settings
    from serving.model_server.flags import parse_flags

    for name, value in SERVICES["pipeline"]["environment"].items():
        monkeypatch.setenv(name, value.replace("$$", "$"))
    settings = load_settings()
    (server,) = settings.rollout.model_servers
    assert f"127.0.0.1:{server.split(':')[1]}:{server.split(':')[1]}" in SERVICES["model-server"]["ports"]
    assert settings.features.redis == "redis:6379,password=$REDIS_PASSWORD"
    configs = K8S / "base" / "model-server-pods"
    flags = [item.replace("/etc/model-server", str(configs)) for item in SERVICES["model-server"]["command"]]
    options = parse_flags(flags, "model-server")
    (model,) = options.models.model_config_list.config
    assert model.base_path == str(settings.state.served / "taste")


def test_the_laptop_s_prometheus_scrapes_what_the_local_one_does():
    def scraped(path):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["scrape_configs"]
        return {
            (job["job_name"], job.get("metrics_path"), target.rpartition(":")[2])
            for job in jobs
            for group in job["static_configs"]
            for target in group["targets"]
        }

    assert scraped(DOCKER / "prometheus.yml") == scraped(ROOT / "serving" / "monitoring" / "prometheus.yml")


def test_grafana_s_source_is_the_laptop_s_prometheus():
    (source,) = yaml.safe_load((DOCKER / "grafana" / "datasources" / "prometheus.yaml").read_text())["datasources"]
    host, port = source["url"].removeprefix("http://").split(":")
    assert f"127.0.0.1:{port}:{port}" in SERVICES[host]["ports"]
