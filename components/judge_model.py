"""Measures the candidate on the test split, beside the baselines, and gives the verdict."""

import json
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing

from components.artifacts import Report, read_report, split_files, write_report
from models.blessing import Verdict, judge
from models.evaluation import evaluate
from models.raw_examples import read_raw_examples
from models.saved_model import SavedTasteModel
from sazon.settings import GateSettings

SAVED_MODEL = "Format-Serving"


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
        baselines: reports by name.
        evaluator_blessing: the Evaluator's own verdict, by its thresholds.
        report: out: figures of candidate and baselines, and the verdict.
        gates: GateSettings as JSON.
        code_digest: only there for the cache key.
    """
    test = read_raw_examples(split_files(examples, "test"))
    candidate = evaluate(test, SavedTasteModel(Path(model.uri) / SAVED_MODEL).predict(list(test["text"]))).as_dict()
    others = read_report(baselines)
    verdict = judge(candidate, others, GateSettings.model_validate(json.loads(gates)))
    if verdict.blessed and not evaluator_blessing.get_int_custom_property("blessed"):
        verdict = Verdict(False, "the Evaluator's thresholds were not met: accuracy is not above the majority class")
    content = {"candidate": candidate, "baselines": others, "verdict": vars(verdict)}
    write_report(report, content)
