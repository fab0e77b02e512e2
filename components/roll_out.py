"""Publishes a blessed version to the model server and makes it champion."""

from pathlib import Path

import mlflow
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model

from components.artifacts import SAVED_MODEL, RegisteredVersion, Report, read_report, write_report
from sazon.registry import BLESSED, CHALLENGER, REJECTED, Registry
from sazon.settings import load_settings
from serving.rollout.publishing import roll_out
from serving.traffic import Traffic


@component
def RollOut(  # noqa: N802
    model: InputArtifact[Model],
    version: InputArtifact[RegisteredVersion],
    report: InputArtifact[Report],
    features: InputArtifact[Report],
    rollout: OutputArtifact[Report],
    keep_versions: Parameter[int],
) -> None:
    """Serves nothing of a rejected version; into `$SAZON_HOME` where it runs.

    `features` only orders this step after materialisation.

    Where rollouts decide who answers, a blessed version stays challenger until `sazon rollout`.
    """
    home = load_settings().state
    number, blessed = (version.get_int_custom_property(name) for name in ("version", "blessed"))
    stable = Traffic.read(home.traffic).stable
    at_once = bool(blessed) and stable in (None, number)
    outcome = {
        "version": number,
        "status": BLESSED if blessed else REJECTED,
        "reason": version.get_string_custom_property("reason"),
        "run_id": version.get_string_custom_property("run_id"),
        "rolled_out": at_once,
        "figures": read_report(report),
    }
    registry = Registry(mlflow.get_tracking_uri())
    if at_once:
        roll_out(Path(model.uri) / SAVED_MODEL, number, home.served, registry, keep_versions)
    elif blessed:
        registry.set_alias(CHALLENGER, number)
    write_report(rollout, outcome)
