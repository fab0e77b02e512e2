"""Fits the classical baselines on the pipeline's own training split and measures them on its test split."""

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components.artifacts import Report, split_files, write_report
from models.baselines import BASELINES, Baseline
from models.evaluation import evaluate
from models.raw_examples import read_raw_examples


@component
def TrainBaselines(  # noqa: N802
    examples: InputArtifact[Examples], reports: OutputArtifact[Report], code_digest: Parameter[str]
) -> None:
    """Writes one report a baseline. `code_digest` is only there for the cache key."""
    train, test = (read_raw_examples(split_files(examples, split)) for split in ("train", "test"))
    answers = {name: Baseline(name).fit(train).predict(list(test["text"])) for name in BASELINES}
    write_report(reports, {name: evaluate(test, answer).as_dict() for name, answer in answers.items()})
