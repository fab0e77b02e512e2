"""Measures the candidate on the test split, beside the baselines and the present champion, and gives the verdict."""

import json
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing

from components.artifacts import Report, read_report, split_files, write_report
from models.evaluation.judgement import Champion, report_on
from models.export.saved_model import SavedTasteModel, TrainingRecord
from models.inputs.raw_examples import read_raw_examples
from sazon.logging import get_logger
from sazon.registry import CHAMPION, Registry
from sazon.settings import GateSettings

SAVED_MODEL = "Format-Serving"
_LOG = get_logger("judge")


@component
def JudgeModel(  # noqa: N802
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    baselines: InputArtifact[Report],
    evaluator_blessing: InputArtifact[ModelBlessing],
    report: OutputArtifact[Report],
    gates: Parameter[str],
    code_digest: Parameter[str],
) -> None:
    """Blesses only what the Evaluator blessed and what stands up to majority class and baselines.

    Args:
        examples: raw examples.
        model: the candidate.
        baselines: as TrainBaselines wrote them.
        evaluator_blessing: the Evaluator's own verdict, by its thresholds.
        report: out: figures of candidate and baselines, and the verdict.
        gates: GateSettings as JSON.
        code_digest: only there for the cache key.
    """
    saved_model = Path(model.uri) / SAVED_MODEL
    record = TrainingRecord.read(saved_model)
    content = report_on(
        SavedTasteModel(saved_model),
        read_raw_examples(split_files(examples, "test")),
        read_report(baselines),
        GateSettings.model_validate(json.loads(gates)),
        temperature=record.temperature,
        champion=_load_champion(record.mlflow_run_id),
        evaluator_blessed=bool(evaluator_blessing.get_int_custom_property("blessed")),
    )
    write_report(report, content)


def _load_champion(candidate_run: str) -> Champion | None:
    """The champion, unless there is none, the candidate itself is it, or it does not load."""
    import mlflow

    try:
        registry = Registry(mlflow.get_tracking_uri())
        version, own = registry.with_alias(CHAMPION), registry.of_training(candidate_run)
        if version is None or version == own:
            return None
        return Champion(version.uri, SavedTasteModel(registry.download(version)))
    except Exception as error:  # a champion that is broken or gone must not stop its successor
        _LOG.warning("the champion cannot be measured beside the candidate: %s", " ".join(str(error).split())[:200])
        return None
