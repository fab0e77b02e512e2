"""Computes the feature views from the pipeline's rows and brings the newest values into Feast's online store."""

from pathlib import Path

import pandas as pd
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components.artifacts import RegisteredVersion, Report, split_files, write_report
from feature_repo.materialisation import materialise
from models.inputs.raw_examples import read_raw_examples
from sazon.home import Home
from sazon.schema import SPLITS
from sazon.settings import load_settings


@component
def MaterializeFeatures(  # noqa: N802
    examples: InputArtifact[Examples],
    version: InputArtifact[RegisteredVersion],
    materialized: OutputArtifact[Report],
    state_dir: Parameter[str],
) -> None:
    """Uses the rows of all splits: the features are aggregates of the past, not labels."""
    rows = pd.concat([read_raw_examples(split_files(examples, split)) for split in SPLITS], ignore_index=True)
    number = version.get_int_custom_property("version")
    folder = Home(Path(state_dir)).features
    write_report(materialized, materialise(rows, folder, load_settings().features, version=number))
