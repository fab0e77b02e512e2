"""What the settings of Kubeflow refuse before anything is compiled: one line that names the key and what is wanted."""

import json

import pytest

from pipelines.run_kubeflow import _environment
from sazon.errors import SettingsError
from sazon.settings import load_settings

MISTAKES = [
    ({"image": "sazon/trainer-gpu"}, "image", "has no tag"),
    ({"image": "registry:5000/sazon/trainer-gpu"}, "image", "has no tag"),
    ({"cpu_image": "sazon/pipeline:latest"}, "cpu_image", "latest"),
    ({"image": "Sazon trainer"}, "image", "container image"),
    ({"gpu": "nvidia.com/gpus"}, "gpu", "nvidia.com/gpu"),
    ({"gpu_count": 2}, "gpu_count", "not permitted"),
    ({"gpus": 99}, "gpus", "less than or equal"),
    ({"tolerations": [{"key": "spot", "operator": "Exist"}]}, "tolerations.0.operator", "'Exists' or 'Equal'"),
    ({"tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoScheduled"}]}, "effect", "'NoSchedule'"),
    ({"tolerations": [{"key": "spot", "operater": "Exists"}]}, "tolerations.0.operater", "not permitted"),
    ({"tolerations": [{"key": "spot", "operator": "Exists", "value": "true"}]}, "tolerations.0", "has no value"),
    ({"tolerations": [{"value": "true"}]}, "tolerations.0", "needs a key"),
    ({"tolerations": [{"key": "spot", "toleration_seconds": 3}]}, "tolerations.0", "NoExecute"),
    ({"namespace": "My_space"}, "namespace", "lower-case"),
    ({"service_account": "pipeline!"}, "service_account", "lower-case"),
    ({"node_selector": {"a b": "c"}}, "node_selector", "label's key"),
    ({"secrets": [{"variable": "1X", "secret": "s", "key": "k"}]}, "secrets.0.variable", "environment variable"),
    ({"env": {"A": "1"}, "secrets": [{"variable": "A", "secret": "s", "key": "k"}]}, "kubeflow", "set twice"),
    ({"trainer": {"cpu": "8", "memory": "32"}}, "trainer.memory", "16Gi"),
    ({"steps": {"cpu": "two", "memory": "1Gi"}}, "steps.cpu", "500m"),
    ({"host": "localhost:8888"}, "host", "http://"),
    ({"pipeline_root": "/mnt/artifacts"}, "pipeline_root", "minio://"),
    ({"schedule": "0 0 3 * * *"}, "schedule", "five fields"),
    ({"schedule": "61 3 * * *"}, "schedule", "0-59"),
    ({"schedule": "0 3 * * */0"}, "schedule", "*/n"),
]


@pytest.mark.parametrize(("given", "key", "reason"), MISTAKES)
def test_a_mistake_is_one_line_that_names_the_key_and_what_is_wanted(given, key, reason):
    with pytest.raises(SettingsError) as caught:
        load_settings(kubeflow=given)
    message = str(caught.value)
    assert message.startswith("setting kubeflow")
    assert key in message
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "given",
    [
        {"image": "registry.example.com:5000/team/sazon:1.2.3", "cpu_image": "sazon@sha256:" + "0" * 64},
        {"gpu": "nvidia.com/mig-1g.10gb", "gpus": 1},
        {"tolerations": [{"operator": "Exists"}, {"key": "spot", "value": "true", "effect": "NoSchedule"}]},
        {"schedule": "*/15 3-5,9 * * 1-5"},
        {"host": "https://kubeflow.example.com/pipeline", "pipeline_root": "s3://models/runs"},
    ],
)
def test_what_a_cluster_takes_is_taken(given):
    load_settings(kubeflow=given)


def test_the_environment_sets_lists_as_json(monkeypatch):
    monkeypatch.setenv("SAZON_KUBEFLOW__TOLERATIONS", json.dumps([{"key": "spot", "operator": "Exists"}]))
    monkeypatch.setenv("SAZON_KUBEFLOW__GPUS", "4")
    chosen = load_settings(kubeflow={"cache": False}).kubeflow
    assert ([item.key for item in chosen.tolerations], chosen.gpus, chosen.cache) == (["spot"], 4, False)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "http://mlflow.sazon.svc:5000"),
        ("http://127.0.0.1:5000", "http://mlflow.sazon.svc:5000"),
        ("sqlite:///mlflow.db", "http://mlflow.sazon.svc:5000"),
        ("https://mlflow.example.com", "https://mlflow.example.com"),
    ],
)
def test_pods_are_given_a_tracking_server_that_they_can_reach(given, wanted):
    settings = load_settings(mlflow={"tracking_uri": given})
    assert _environment(settings)["SAZON_MLFLOW__TRACKING_URI"] == wanted
