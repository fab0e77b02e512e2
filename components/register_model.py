"""Registers the judged model in MLflow, blessed or rejected."""

import json
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model

from components.artifacts import SAVED_MODEL, RegisteredVersion, Report, read_report
from models.registration.judged_model import register_judged_model
from sazon.registry import BLESSED


@component
def RegisterModel(  # noqa: N802
    model: InputArtifact[Model],
    report: InputArtifact[Report],
    version: OutputArtifact[RegisteredVersion],
    experiment: Parameter[str],
    tags: Parameter[str],
) -> None:
    """Registers once per training; `tags` is a JSON object of strings."""
    registered = register_judged_model(Path(model.uri) / SAVED_MODEL, read_report(report), experiment, json.loads(tags))
    version.set_int_custom_property("version", registered.number)
    version.set_int_custom_property("blessed", int(registered.status == BLESSED))
    version.set_string_custom_property("reason", registered.reason)
    version.set_string_custom_property("run_id", registered.run_id)
