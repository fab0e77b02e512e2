"""Publishes a blessed version to the model server and makes it champion."""

from pathlib import Path

import mlflow
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model

from components.artifacts import RegisteredVersion, Report, read_report, write_report
from components.judge_model import SAVED_MODEL
from sazon.home import Home
from sazon.registry import BLESSED, REJECTED, Registry
from serving.rollout.publishing import roll_out


@component
def RollOut(  # noqa: N802
    model: InputArtifact[Model],
    version: InputArtifact[RegisteredVersion],
    report: InputArtifact[Report],
    features: InputArtifact[Report],
    rollout: OutputArtifact[Report],
    state_dir: Parameter[str],
    keep_versions: Parameter[int],
) -> None:
    """Serves nothing of a rejected version. `features` only orders this step after materialisation."""
    number, blessed = (version.get_int_custom_property(name) for name in ("version", "blessed"))
    outcome = {
        "version": number,
        "status": BLESSED if blessed else REJECTED,
        "reason": version.get_string_custom_property("reason"),
        "run_id": version.get_string_custom_property("run_id"),
        "rolled_out": bool(blessed),
        "figures": read_report(report),
    }
    if blessed:
        served, registry = Home(Path(state_dir)).served, Registry(mlflow.get_tracking_uri())
        roll_out(Path(model.uri) / SAVED_MODEL, number, served, registry, keep_versions)
    write_report(rollout, outcome)
