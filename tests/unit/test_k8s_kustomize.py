"""Our reader of kustomizations says what kubectl says; every file of k8s/ belongs to something."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from kustomize import FILE, build
from manifests import K8S, PARTS, name_of, with_component

DIGEST = re.compile(r"\b(model-server-settings(?:-canary)?|databases)-[a-z0-9]{10}\b")
COMPONENTS = sorted(path.name for path in (K8S / "components").iterdir())


def by_name(items):
    return {(item["kind"], name_of(item)): json.dumps(item, sort_keys=True) for item in items}


def ask_kubectl(folder):
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
    return [item for item in yaml.safe_load_all(DIGEST.sub(r"\1", done.stdout)) if item]


if shutil.which("kubectl"):

    @pytest.mark.parametrize("part", PARTS)
    def test_our_reader_builds_what_kubectl_builds(part):
        assert by_name(build(K8S / part)) == by_name(ask_kubectl(K8S / part))

    @pytest.mark.parametrize("component", COMPONENTS)
    def test_our_reader_builds_each_component_as_kubectl_does(component, tmp_path):
        folder = with_component(component, tmp_path)
        assert by_name(build(folder)) == by_name(ask_kubectl(folder))


def test_a_kustomization_that_our_reader_would_misread_is_refused(tmp_path):
    (tmp_path / FILE).write_text("replacements: []\n")
    with pytest.raises(AssertionError, match="replacements"):
        build(tmp_path)


def test_every_file_belongs_to_a_kustomization():
    listed = set()
    for path in K8S.rglob(FILE):
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = [*said.get("resources", ()), *said.get("components", ())]
        names += [item["path"] for item in said.get("patches", ()) if "path" in item]
        names += [name for item in said.get("configMapGenerator", ()) for name in item["files"]]
        listed |= {(path.parent / name).resolve() for name in names}
    files = {path for path in K8S.rglob("*") if path.is_file() and path.name not in (FILE, "README.md")}
    assert files - listed == set((K8S / "jobs").iterdir()), "jobs are created one by one"


def test_no_overlay_holds_what_a_rollout_writes():
    once = by_name(build(K8S / "once")).keys()
    assert {name for _, name in once} == {"sazon", "sazon-state", "sazon-incoming", "model-config", "traffic"}
    for part in set(PARTS) - {"once"}:
        assert not once & by_name(build(K8S / part)).keys()
