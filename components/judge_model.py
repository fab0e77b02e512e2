"""Measures the candidate on the test split, beside the baselines and the present champion, and gives the verdict."""

import json
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing

from components.artifacts import SAVED_MODEL, Report, read_report, split_files, write_report
from components.fetch_champion import VERSION
from models.evaluation.judgement import Champion, report_on
from models.export.saved_model import SavedTasteModel, TrainingRecord
from models.inputs.raw_examples import read_raw_examples
from sazon.logging import get_logger
from sazon.schema import MODEL_NAME
from sazon.settings import GateSettings

_LOG = get_logger("judge")


@component
def JudgeModel(  # noqa: N802
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    champion: InputArtifact[Model],
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
        champion: as FetchChampion left it.
        baselines: as TrainBaselines wrote them.
        evaluator_blessing: the Evaluator's own verdict, by its thresholds.
        report: out: figures of candidate and baselines, and the verdict.
        gates: GateSettings as JSON.
        code_digest: only there for the cache key.
    """
    saved_model = Path(model.uri) / SAVED_MODEL
    content = report_on(
        SavedTasteModel(saved_model),
        read_raw_examples(split_files(examples, "test")),
        read_report(baselines),
        GateSettings.model_validate(json.loads(gates)),
        temperature=TrainingRecord.read(saved_model).temperature,
        champion=_load(champion),
        evaluator_blessed=bool(evaluator_blessing.get_int_custom_property("blessed")),
    )
    write_report(report, content)


def _load(champion: Model) -> Champion | None:
    """The champion as FetchChampion left it, unless there is none or it does not load."""
    number = champion.get_int_custom_property(VERSION)
    if not number:
        return None
    try:
        return Champion(f"models:/{MODEL_NAME}/{number}", SavedTasteModel(Path(champion.uri) / SAVED_MODEL))
    except Exception as error:  # a broken champion must not stop its successor
        _LOG.warning("champion %d does not load, so it is not compared: %s", number, " ".join(str(error).split())[:200])
        return None
