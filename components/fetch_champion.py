"""Copies the present champion out of the registry, so that the judge can measure it beside the candidate.

The registry is asked in every run. On one machine TFX's driver asks it, and the answer is part of the cache key: the
copy, and with it a judge's verdict, is reused as long as the champion stays the same. Kubeflow knows no drivers; there
the component itself asks and is never cached (`pipelines.taste_pipeline.UNCACHED_ON_KUBEFLOW`).
"""

import shutil
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base import base_driver as dsl_driver
from tfx.orchestration.portable import base_driver
from tfx.proto.orchestration import driver_output_pb2
from tfx.types.standard_artifacts import Model

from components.artifacts import SAVED_MODEL
from models.export.saved_model import TrainingRecord
from sazon.errors import RegistryError
from sazon.logging import get_logger
from sazon.registry import CHAMPION, Registry, Version

VERSION = "version"
_LOG = get_logger("champion")


@component
def FetchChampion(model: InputArtifact[Model], champion: OutputArtifact[Model]) -> None:  # noqa: N802
    """Puts out the champion as a model of its own.

    Args:
        model: the candidate.
        champion: out: custom property `version` (int); 0 and no files where there is no champion to compare with: none
            in the registry, the candidate itself, or one whose files are gone, which must not stop its successor.
    """
    found = find_champion(Path(model.uri) / SAVED_MODEL)
    copied = found is not None and _copy(found, Path(champion.uri) / SAVED_MODEL)
    champion.set_int_custom_property(VERSION, found.number if found and copied else 0)


class ChampionDriver(dsl_driver.BaseDriver, base_driver.BaseDriver):  # type: ignore[misc]
    """Adds the champion's number to what the cache key is made of."""

    def __init__(self, metadata: Any) -> None:
        base_driver.BaseDriver.__init__(self, metadata)

    def run(self, execution_info: Any) -> driver_output_pb2.DriverOutput:
        """Called by TFX before it looks into the cache."""
        (model,) = execution_info.input_dict["model"]
        found = find_champion(Path(model.uri) / SAVED_MODEL)
        output = driver_output_pb2.DriverOutput()
        output.exec_properties["champion_version"].string_value = f"{found.run_id} {found.number}" if found else ""
        return output


FetchChampion.DRIVER_CLASS = ChampionDriver


def find_champion(candidate: Path) -> Version | None:
    """The version that holds the alias, unless the candidate is that version.

    Raises:
        RegistryError: the registry does not answer. Its silence is not "no champion": a candidate that nobody compared
            would take the champion's place.
    """
    training = TrainingRecord.read(candidate).mlflow_run_id
    try:
        registry = Registry(mlflow.get_tracking_uri())
        version, own = registry.with_alias(CHAMPION), registry.of_training(training)
    except (MlflowException, SQLAlchemyError) as error:
        raise RegistryError(f"the registry cannot be asked for the champion: {_one_line(error)}") from error
    return None if version == own else version


def _copy(version: Version, target: Path) -> bool:
    try:
        shutil.copytree(Registry(mlflow.get_tracking_uri()).download(version), target, dirs_exist_ok=True)
    except Exception as error:
        shutil.rmtree(target, ignore_errors=True)
        if not _says_gone(error):
            raise RegistryError(f"{version.uri} (champion) cannot be fetched: {_one_line(error)}") from error
        _LOG.warning("the champion's files are gone, so it is not measured: %s", _one_line(error))
        return False
    return True


def _says_gone(error: Exception) -> bool:
    """Whether the store answered that there is no such file; a folder that is not mounted answers so, too."""
    if isinstance(error, MlflowException):
        return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
