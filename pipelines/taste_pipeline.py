"""The training pipeline as a graph of components. Pure: every value is an argument, no runner is known here."""

import json
from dataclasses import dataclass
from typing import Any

# Not from tfx.v1, which also imports Google Cloud's clients: three seconds.
from tfx import components as tfx
from tfx.components.example_gen.custom_executors import parquet_executor
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base import executor_spec
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.example_gen_pb2 import Input
from tfx.proto.trainer_pb2 import EvalArgs, TrainArgs
from tfx.proto.transform_pb2 import SplitsConfig

from components.check_anomalies import CheckAnomalies
from components.fetch_champion import FetchChampion
from components.judge_model import JudgeModel
from components.materialize_features import MaterializeFeatures
from components.register_model import RegisterModel
from components.roll_out import RollOut
from components.train_baselines import TrainBaselines
from models.inputs import features
from models.training import run as training
from pipelines.evaluation_config import evaluation_config
from sazon.schema import SPLITS
from sazon.settings import EncoderSettings, GateSettings, TrainSettings

# These look at the world outside the pipeline (features, registry, served directory) and put it right each time.
NEVER_CACHED = ("MaterializeFeatures", "RegisterModel", "RollOut")
# On one machine TFX's drivers look at data and registry before the cache is asked; Kubeflow has no drivers.
UNCACHED_ON_KUBEFLOW = (*NEVER_CACHED, "ExampleGen", "FetchChampion")


@dataclass(frozen=True)
class PipelineSpec:
    """All that a pipeline is made of; equal specs give equal cache keys."""

    name: str
    root: str
    data_dir: str
    data_digest: str
    majority_share: float
    schema_file: str
    tokeniser_dir: str
    encoder: EncoderSettings
    checkpoint: str
    train: TrainSettings
    gates: GateSettings
    experiment: str
    training_tags: dict[str, str]
    registration_tags: dict[str, str]
    training_code: str
    evaluation_code: str
    training_dir: str
    keep_versions: int


def create_pipeline(spec: PipelineSpec, metadata_config: Any, beam_args: list[str]) -> Pipeline:
    """Puts the components together.

    Args:
        spec: what to train and where.
        metadata_config: connection to ML Metadata, or None where the orchestrator has its own.
        beam_args: flags of Beam's runner.
    """
    example_gen = _example_gen(spec.data_dir)
    statistics = tfx.StatisticsGen(examples=example_gen.outputs["examples"])
    schema = ImportSchemaGen(schema_file=spec.schema_file)
    validator = tfx.ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    check = CheckAnomalies(anomalies=validator.outputs["anomalies"])
    transform = _transform(spec, example_gen, schema)
    trainer = _trainer(spec, transform)
    baselines = TrainBaselines(examples=example_gen.outputs["examples"], code_digest=spec.evaluation_code)
    for after_check in (transform, baselines):
        after_check.add_upstream_node(check)
    evaluator = tfx.Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        eval_config=evaluation_config(spec.majority_share),
        example_splits=["test"],
    )
    fetch = FetchChampion(model=trainer.outputs["model"])
    judge = JudgeModel(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        champion=fetch.outputs["champion"],
        baselines=baselines.outputs["reports"],
        evaluator_blessing=evaluator.outputs["blessing"],
        gates=spec.gates.model_dump_json(),
        code_digest=spec.evaluation_code,
    )
    register = RegisterModel(
        model=trainer.outputs["model"],
        report=judge.outputs["report"],
        experiment=spec.experiment,
        tags=json.dumps(spec.registration_tags, sort_keys=True),
    )
    materialize = MaterializeFeatures(examples=example_gen.outputs["examples"], version=register.outputs["version"])
    roll_out = RollOut(
        model=trainer.outputs["model"],
        version=register.outputs["version"],
        report=judge.outputs["report"],
        features=materialize.outputs["materialized"],
        keep_versions=spec.keep_versions,
    )
    return Pipeline(
        pipeline_name=spec.name,
        pipeline_root=spec.root,
        components=[
            example_gen,
            statistics,
            schema,
            validator,
            check,
            transform,
            baselines,
            trainer,
            evaluator,
            fetch,
            judge,
            register,
            materialize,
            roll_out,
        ],
        enable_cache=True,
        metadata_connection_config=metadata_config,
        beam_pipeline_args=beam_args,
    )


def _example_gen(data_dir: str) -> Any:
    """Reads the prepared Parquet; the splits were decided with the data and are only honoured here."""
    splits = [Input.Split(name=name, pattern=f"{name}/*.parquet") for name in SPLITS]
    return tfx.FileBasedExampleGen(
        input_base=data_dir,
        input_config=Input(splits=splits),
        custom_executor_spec=executor_spec.BeamExecutorSpec(parquet_executor.Executor),
    ).with_id("ExampleGen")


def _transform(spec: PipelineSpec, example_gen: Any, schema: Any) -> Any:
    return tfx.Transform(
        examples=example_gen.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="models.inputs.preprocessing.preprocessing_fn",
        splits_config=SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        custom_config={
            features.CONFIG_TOKENISER: spec.tokeniser_dir,
            features.CONFIG_MAX_TOKENS: spec.encoder.max_tokens,
            "code_digest": spec.training_code,
        },
    )


def _trainer(spec: PipelineSpec, transform: Any) -> Any:
    return tfx.Trainer(
        run_fn="models.training.run.run_fn" if spec.train.nodes == 1 else "pipelines.nodes.run.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=TrainArgs(splits=["train"]),
        eval_args=EvalArgs(splits=["eval"]),
        custom_config={
            features.CONFIG_TOKENISER: spec.tokeniser_dir,
            training.CONFIG_ENCODER: spec.encoder.model_dump(),
            training.CONFIG_TRAIN: spec.train.model_dump(),
            training.CONFIG_CHECKPOINT: spec.checkpoint,
            training.CONFIG_STATE_DIR: spec.training_dir,
            training.CONFIG_EXPERIMENT: spec.experiment,
            training.CONFIG_TAGS: spec.training_tags,
            "code_digest": spec.training_code,
        },
    )
