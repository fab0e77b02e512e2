"""Every manifest follows the schemas of two Kubernetes versions; custom resources follow those of their projects."""

from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kustomize import build
from manifests import everything, with_component

VERSIONS = ("1.32", "1.37")
CUSTOM = Path(__file__).parents[1] / "fixtures" / "custom_resources"
MANIFESTS = everything()
CHECKS = {"schemas of Kubernetes": 0, "schemas of custom resources": 0}


@cache
def custom_schema(kind):
    path = CUSTOM / f"{kind}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def jobs_within(manifest):
    """A TrainingRuntime's templates, each as the Job that it becomes."""
    if manifest["kind"] == "TrainingRuntime":
        for job in manifest["spec"]["template"]["spec"]["replicatedJobs"]:
            metadata = {"name": job["name"], **job["template"].get("metadata", {})}
            yield {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job["template"]["spec"]}


def check(manifest, version):
    schema = custom_schema(manifest["kind"])
    if schema is None:
        assert kubernetes_validate.validate(manifest, version, strict=True) == version
        CHECKS["schemas of Kubernetes"] += 1
        return
    assert manifest["apiVersion"] == schema["apiVersion"]
    assert manifest.keys() == {"apiVersion", "kind", "metadata", "spec"}
    jsonschema.validate(manifest["spec"], schema["spec"])
    for job in jobs_within(manifest):
        assert kubernetes_validate.validate(job, version, strict=True) == version
        CHECKS["schemas of Kubernetes"] += 1
    metadata = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": manifest["metadata"]}
    kubernetes_validate.validate(metadata, version, strict=True)
    CHECKS["schemas of custom resources"] += 1


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_follows_its_schema(version):
    problems = []
    for name, manifest in MANIFESTS.items():
        try:
            check(manifest, version)
        except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
            problems.append(f"{name}: {error.message}")
    assert problems == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_canary_of_the_server_follows_the_schemas(version, tmp_path):
    found = build(with_component("server-canary", tmp_path))
    canary = [item for item in found if item["metadata"]["name"].endswith("-canary")]
    assert {item["kind"] for item in canary} == {"Deployment", "Service", "ConfigMap"}
    for item in canary:
        check(item, version)


@pytest.mark.parametrize(
    ("kind", "path", "key"),
    [
        ("Deployment", ("spec",), "replica"),
        ("CronJob", ("spec",), "timezone"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0), "metricsPath"),
        ("ScaledObject", ("spec",), "minReplicas"),
        ("ExternalSecret", ("spec", "secretStoreRef"), "namespace"),
        ("InferenceService", ("spec", "predictor"), "canaryTraffic"),
    ],
)
def test_a_misspelt_field_is_found(kind, path, key):
    wrong = yaml.safe_load(yaml.safe_dump(next(item for item in MANIFESTS.values() if item["kind"] == kind)))
    place = wrong
    for step in path:
        place = place[step]
    place[key] = 1
    with pytest.raises((kubernetes_validate.ValidationError, jsonschema.ValidationError)):
        check(wrong, VERSIONS[0])


def test_the_schemas_of_custom_resources_are_closed():
    def objects(schema):
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            for inner in schema.values():
                yield from objects(inner)
        elif isinstance(schema, list):
            for inner in schema:
                yield from objects(inner)

    for path in CUSTOM.glob("*.yaml"):
        for schema in objects(yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]):
            assert "additionalProperties" in schema, f"{path.name}: {list(schema.get('properties', ()))}"


def test_zz_how_much_was_checked(capsys):
    """Last of the file, so that the counts are whole."""
    with capsys.disabled():
        counted = ", ".join(f"{count} by {what}" for what, count in CHECKS.items())
        print(f"\nk8s: {len(MANIFESTS)} different resources; checks for {' and '.join(VERSIONS)}: {counted}")
