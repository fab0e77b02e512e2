"""docs/guides/kubernetes.md names commands, files and settings that exist."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from manifests import of_kind
from network import allows
from typer.main import get_command

import sazon
from sazon.cli.main import app
from sazon.settings import load_settings

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "kubernetes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = sorted({found[1] for line in LINES if (found := re.match(r"(?:.* -- )?(sazon .+?)(?: +#.*)?$", line))})
HEREDOCS = [
    item
    for text in re.findall(r"<<'END'\n(.*?)^END$", GUIDE, re.DOTALL | re.MULTILINE)
    for item in yaml.safe_load_all(text)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_line_takes_every_command(line):
    command, (_, *arguments) = get_command(app), shlex.split(line)
    while hasattr(command, "commands") and arguments[0] in command.commands:
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context(command.name, arguments)


def test_there_are_commands():
    assert {line.split()[1] for line in COMMANDS} == {"pipeline", "rollout", "doctor"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:k8s|data|docker|tests)/[\w./-]*\w", GUIDE))))
def test_every_file_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((\S+?)\)", GUIDE))))
def test_every_link_leads_somewhere(link):
    path, _, anchor = link.partition("#")
    if link.startswith("http"):
        return
    target = (ROOT / "docs" / "guides" / path).resolve() if path else ROOT / "docs" / "guides" / "kubernetes.md"
    assert target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
    assert not anchor or anchor in [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]


@pytest.mark.parametrize(("wanted", "line"), [('"2"', r"sed 's/.*\"2\".*?'"), ("rollback", r"sed 's/.*rollback/' .*?")])
def test_the_job_is_changed_as_the_guide_says(wanted, line):
    (command,) = {re.match(r"sed '[^']+' \S+", found)[0] for found in LINES if re.match(line, found)}
    made = yaml.safe_load(subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, check=True).stdout)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["rollout", wanted.strip('"')]


def test_the_settings_of_the_guide_are_taken(tmp_path, monkeypatch):
    (settings,) = (item for item in HEREDOCS if "kubeflow" in item)
    (tmp_path / "sazon.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_settings().kubeflow.gpus == 0


def test_the_volumes_are_those_of_the_claims():
    volumes = [item for item in HEREDOCS if item.get("kind") == "PersistentVolume"]
    claims = list(yaml.safe_load_all((ROOT / "k8s" / "once" / "claims.yaml").read_text(encoding="utf-8")))
    for volume, claim in zip(volumes, claims, strict=True):
        assert volume["spec"]["claimRef"] == {"namespace": "sazon", "name": claim["metadata"]["name"]}
        assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"]
        assert volume["spec"]["capacity"] == claim["spec"]["resources"]["requests"]


def test_images_bear_this_version():
    assert set(re.findall(r"sazon/[\w$-]+:([\d.]+)", GUIDE)) == {sazon.__version__}


def test_blocks_are_valid_shell():
    for block in BLOCKS:
        subprocess.run(["bash", "-n"], input=block, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})


def test_kubeflow_pipelines_can_talk_in_the_same_namespace():
    policies = of_kind("overlays/local", "NetworkPolicy").values()
    kubeflow, run = {"application-crd-id": "kubeflow-pipelines"}, {"pipeline/runid": "8d4c"}
    assert allows(policies, kubeflow, kubeflow, 3306)
    assert allows(policies, kubeflow, "outside", 6443)
    assert all(allows(policies, run, kubeflow, port) for port in (8080, 8887, 9000))
    assert not allows(policies, kubeflow, {"app.kubernetes.io/name": "postgres"}, 5432)
