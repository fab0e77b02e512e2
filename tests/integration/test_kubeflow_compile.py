"""The real training pipeline compiled for Kubeflow, once: what a cluster would run, and what it would refuse."""

import json
from pathlib import Path, PurePosixPath

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.kubeflow.post_compile import checks, document
from pipelines.kubeflow.post_compile.graph import artifacts_of, container_of, containers_of, executors_of, tasks_of
from sazon.cli.main import app
from sazon.cluster import STATE_PATH
from sazon.errors import SazonError, SettingsError, UserError
from sazon.settings import load_settings

pytestmark = pytest.mark.integration
KUBEFLOW = {
    "namespace": "team",
    "image": "registry/sazon/trainer-gpu:1.2.3",
    "gpus": 2,
    "node_selector": {"cloud.example.com/gpu": "a100"},
    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
    "secrets": [{"variable": "AWS_SECRET_ACCESS_KEY", "secret": "object-store", "key": "secret-key"}],
    "env": {"AWS_ENDPOINT_URL": "http://minio:9000"},
    "pipeline_root": "s3://models/runs",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Three hundred labelled rows of the shipped sample."""
    rows = pd.read_csv(Path(__file__).parents[2] / "data" / "feedback.csv", dtype=str, keep_default_na=False)
    path = tmp_path_factory.mktemp("data") / "feedback.csv"
    rows.iloc[:: len(rows) // 300].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return load_settings(
        home=home, preset="tiny", train={"devices": 2}, features={"online": "redis"}, kubeflow=KUBEFLOW
    )


@pytest.fixture(scope="module")
def compiled(source, settings):
    from pipelines.run_kubeflow import compile_pipeline

    return compile_pipeline(source, settings)


@pytest.fixture(scope="module")
def parsed(compiled):
    return document.parse(compiled.text)


def test_both_documents_parse_strictly_and_every_check_passes(parsed):
    checks.check(*parsed)


def test_every_container_starts_the_entrypoint_of_the_image_that_fits_it(parsed):
    ir, _ = parsed
    for container in containers_of(ir):
        assert container["command"] == ["python", "-m", "pipelines.kubeflow.container"]
    images = {name: container_of(ir, name)["image"] for name in tasks_of(ir)}
    assert images.pop("Trainer") == KUBEFLOW["image"]
    assert len(set(images.values())) == 1
    assert not images["Evaluator"].endswith(":latest")


def test_only_the_trainer_asks_for_gpus_and_their_nodes(parsed):
    ir, platform = parsed
    with_gpu = [name for name in tasks_of(ir) if "accelerator" in container_of(ir, name)["resources"]]
    assert with_gpu == ["Trainer"]
    assert container_of(ir, "Trainer")["resources"]["accelerator"]["resourceCount"] == "2"
    configs = document.executors_in(platform)
    assert configs.keys() == executors_of(ir).keys()
    assert [label for label, config in configs.items() if "tolerations" in config] == ["Trainer_executor"]
    assert configs["Trainer_executor"]["nodeSelector"]["labels"] == KUBEFLOW["node_selector"]
    assert all(config["pvcMount"][0]["mountPath"] == STATE_PATH for config in configs.values())
    assert all(config["secretAsEnv"] for config in configs.values())
    assert all(config["securityContext"]["runAsNonRoot"] for config in configs.values())


def test_settings_reach_the_pods_as_sazon_reads_them(parsed, monkeypatch):
    ir, _ = parsed
    for item in container_of(ir, "MaterializeFeatures")["env"]:
        monkeypatch.setenv(item["name"], item["value"])
    in_pod = load_settings()
    assert str(in_pod.state.root) == STATE_PATH
    assert in_pod.tracking_uri == "http://mlflow.team.svc:5000"
    assert in_pod.features.online == "redis"


def test_no_path_of_this_machine_is_left_and_the_claims_files_can_be_copied(compiled, settings, tmp_path):
    assert str(settings.state.root) not in compiled.text
    assert str(Path(__file__).parents[2]) not in compiled.text
    folder = tmp_path / "claim"
    assert compiled.paths.copy_files(folder) > 0
    for place in compiled.paths.files:
        assert (folder / place).exists()
        assert str(PurePosixPath(STATE_PATH) / place) in compiled.text
    assert any((folder / "datasets").glob("*/train/part.parquet"))
    with pytest.raises(UserError, match="something in it"):
        compiled.paths.copy_files(folder)


def test_what_looks_outside_is_never_cached_and_all_else_knows_data_schema_and_code(compiled, parsed):
    ir, _ = parsed
    cached = {name for name, task in tasks_of(ir).items() if task["cachingOptions"].get("enableCache")}
    assert tasks_of(ir).keys() - cached == {
        "ExampleGen",
        "FetchChampion",
        "MaterializeFeatures",
        "RegisterModel",
        "RollOut",
    }
    for container in containers_of(ir):
        digest = container["args"][container["args"].index("--cache_digest") + 1]
        assert digest.startswith(f"data:{compiled.dataset.digest[:16]},schema:")
        assert ",code:" in digest
    interface = container_of(ir, "ExampleGen")["args"]
    assert compiled.dataset.name in json.dumps(tasks_of(ir)["ExampleGen"]["inputs"]), interface


def test_steps_that_fail_are_tried_again(parsed):
    ir, _ = parsed
    assert {task["retryPolicy"]["maxRetryCount"] for task in tasks_of(ir).values()} == {2}


def test_the_command_writes_the_file_and_what_the_claim_must_hold(source, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_HOME", str(settings.state.root))
    monkeypatch.setenv("SAZON_KUBEFLOW__EVALUATE_ON_GPU", "true")
    out, folder = tmp_path / "pipeline.yaml", tmp_path / "claim"
    flags = ("--out", str(out), "--files-to", str(folder), "--preset", "small", "--no-cache", "--json")
    result = CliRunner().invoke(app, ["pipeline", "compile", "--data", str(source), *flags])
    assert result.exception is None
    told = json.loads(result.stdout)
    ir, _ = document.parse(out.read_text(encoding="utf-8"))
    assert set(told["steps"]) == tasks_of(ir).keys()
    assert all((folder / place).exists() for place in told["claim"]["files"])
    assert not any("pretrained" in place for place in told["claim"]["files"])  # in the image
    assert "/opt/sazon/models/pretrained/small" in json.dumps(tasks_of(ir)["Trainer"])
    assert not any(task["cachingOptions"].get("enableCache") for task in tasks_of(ir).values())
    assert "accelerator" in container_of(ir, "Evaluator")["resources"]


def test_the_graph_is_that_of_the_local_runner(compiled, source, settings):
    """Acceptance: one definition for both runners, compared by nodes, order and every connection."""
    from tfx.dsl.compiler.compiler import Compiler
    from tfx.orchestration import metadata

    from data.preparation import load_dataset
    from models.checkpoints.presets import resolve_preset
    from pipelines.preparation import BEAM_ARGS, make_spec
    from pipelines.taste_pipeline import create_pipeline

    spec = make_spec(load_dataset(compiled.dataset.path), settings, resolve_preset("tiny"))
    connection = metadata.sqlite_metadata_connection_config(":memory:")
    local = Compiler().compile(create_pipeline(spec, connection, list(BEAM_ARGS)))
    nodes = [node.pipeline_node for node in local.nodes]
    ir = compiled.ir
    assert {node.node_info.id for node in nodes} == tasks_of(ir).keys()
    for node in nodes:
        task = tasks_of(ir)[node.node_info.id]
        assert set(node.upstream_nodes) == set(task.get("dependentTasks", []))
        channels = {
            key: {(channel.producer_node_query.id, channel.output_key) for channel in given.channels}
            for key, given in node.inputs.inputs.items()
        }
        connected = {
            key: {(given["taskOutputArtifact"]["producerTask"], given["taskOutputArtifact"]["outputArtifactKey"])}
            for key, given in artifacts_of(task).items()
        }
        assert channels == connected


def test_a_trainer_of_several_nodes_needs_no_gpu_of_its_own_but_the_settings(compiled, settings):
    import copy

    from pipelines.run_kubeflow import apply_rules

    several = settings.model_copy(update={"train": settings.train.model_copy(update={"nodes": 2})})
    ir = copy.deepcopy(compiled.ir)
    del ir["deploymentSpec"]["executors"]["Trainer_executor"]["container"]["resources"]
    for task in tasks_of(ir).values():
        task.pop("retryPolicy", None)
    apply_rules(ir, {}, "data:1", several)
    assert [name for name, task in tasks_of(ir).items() if "retryPolicy" not in task] == ["Trainer"]
    assert "accelerator" not in container_of(ir, "Trainer")["resources"]
    variables = {item["name"]: item["value"] for item in container_of(ir, "Trainer")["env"]}
    assert json.loads(variables["SAZON_KUBEFLOW"])["gpus"] == 2


def test_wrong_settings_fail_before_anything_is_compiled(source, settings):
    from pipelines.run_kubeflow import compile_pipeline

    for given, complaint in (
        ({"gpu": "nvidia.com/gpus"}, "kubeflow.gpu"),
        ({"tolerations": [{"key": "spot", "opperator": "Exists"}]}, "opperator"),
        ({"image": "sazon/trainer-gpu"}, "no tag"),
    ):
        with pytest.raises(SettingsError, match=complaint):
            load_settings(kubeflow=given)
    idle = settings.model_copy(update={"train": settings.train.model_copy(update={"devices": 1})})
    with pytest.raises(SettingsError, match=r"train\.devices"):
        compile_pipeline(source, idle)


def test_a_resolver_and_a_bad_node_name_are_refused():
    """Straight from TFX's compiler, which takes both."""
    from tfx import components as tfx
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
    from tfx.orchestration.pipeline import Pipeline
    from tfx.types import Channel
    from tfx.types.standard_artifacts import Model

    from pipelines.run_kubeflow import compile_with_tfx

    latest = Resolver(strategy_class=LatestArtifactStrategy, model=Channel(type=Model)).with_id("latest")
    for component, complaint in (
        (latest, "resolver"),
        (tfx.CsvExampleGen(input_base="/data").with_id("my_csv"), "my_csv"),
    ):
        ir, _ = compile_with_tfx(Pipeline("small", "/root", components=[component]), "image:1")
        with pytest.raises(UserError, match=complaint) as caught:
            checks.check(*document.parse(document.as_yaml(ir, {})))
        assert isinstance(caught.value, SazonError)


def test_the_documents_are_read_as_plain_yaml(compiled):
    first, second = yaml.safe_load_all(compiled.text)
    assert first["defaultPipelineRoot"] == "s3://models/runs"
    assert second.keys() == {"platforms"}
