"""Fits the classical baselines on the pipeline's own training split and measures them on its test split."""

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components.artifacts import Report, split_files, write_report
from models.evaluation.judgement import measure_baselines
from models.inputs.raw_examples import read_raw_examples


@component
def TrainBaselines(  # noqa: N802
    examples: InputArtifact[Examples], reports: OutputArtifact[Report], code_digest: Parameter[str]
) -> None:
    """Writes reports and answers of all baselines. `code_digest` is only there for the cache key."""
    train, test = (read_raw_examples(split_files(examples, split)) for split in ("train", "test"))
    write_report(reports, measure_baselines(train, test))
