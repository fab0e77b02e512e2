"""Computes the feature views from the pipeline's rows and brings the newest values into Feast's online store."""

import pandas as pd
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components.artifacts import RegisteredVersion, Report, split_files, write_report
from feature_repo.materialisation import materialise
from models.inputs.raw_examples import read_raw_examples
from sazon.schema import SPLITS
from sazon.settings import load_settings


@component
def MaterializeFeatures(  # noqa: N802
    examples: InputArtifact[Examples],
    version: InputArtifact[RegisteredVersion],
    materialized: OutputArtifact[Report],
) -> None:
    """Uses the rows of all splits, which are aggregates of the past, not labels; into `$SAZON_HOME` where it runs."""
    rows = pd.concat([read_raw_examples(split_files(examples, split)) for split in SPLITS], ignore_index=True)
    number, settings = version.get_int_custom_property("version"), load_settings()
    write_report(materialized, materialise(rows, settings.state.features, settings.features, version=number))
