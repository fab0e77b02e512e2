"""The MLflow model registry as Sazón uses it: one registered model, aliases for roles, tags for verdicts, promotions.

`champion` is what is served, `previous` what was served before, `challenger` the newest blessed version not yet
rolled out. MLflow is imported when a `Registry` is made.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sazon.errors import RegistryError, UserError
from sazon.schema import MODEL_NAME

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
TAG_STATUS, TAG_REASON, TAG_DIGEST, TAG_TRAINING = "status", "reason", "data_digest", "training_run_id"
_PROMOTION = "promotion."
CHECKPOINT_ARTIFACT = "checkpoint"
"""Where a run keeps its fine-tuned weights in transformers format."""
BLESSED, REJECTED = "blessed", "rejected"


@dataclass(frozen=True)
class Version:
    """A registered version."""

    number: int
    run_id: str
    status: str
    reason: str

    @property
    def uri(self) -> str:
        """What `mlflow.pyfunc.load_model` takes."""
        return f"models:/{MODEL_NAME}/{self.number}"


class Registry:
    """Reads and writes the registered model at one tracking URI."""

    def __init__(self, tracking_uri: str) -> None:
        import mlflow
        from mlflow.exceptions import MlflowException

        self._error = MlflowException
        self._client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)

    @property
    def client(self) -> Any:
        """MLflow's own client, for what this class does not cover."""
        return self._client

    def ensure_experiment(self, name: str, artifact_location: str | None) -> str:
        """The experiment's id; made with an explicit artifact location if it is new."""
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name, artifact_location=artifact_location))

    def end_stale_runs(self, experiment_id: str) -> int:
        """Marks runs that a killed process left running as KILLED; call it while holding the pipeline's lock."""
        runs = self._client.search_runs([experiment_id], "attributes.status = 'RUNNING'")
        for run in runs:
            self._client.set_terminated(run.info.run_id, status="KILLED")
        return len(runs)

    def register(self, source: str, run_id: str, model_id: str | None, tags: dict[str, str]) -> Version:
        """Creates a version with its verdict in one transaction, so that no version is ever without one."""
        try:
            self._client.create_registered_model(
                MODEL_NAME, description="Consumer taste: sentiment and ten taste labels of Peruvian Spanish feedback."
            )
        except self._error as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._client.create_model_version(MODEL_NAME, source, run_id=run_id, tags=tags, model_id=model_id)
        return _version(made)

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        found = self._client.search_model_versions(f"name = '{MODEL_NAME}'")
        return sorted((_version(item) for item in found), key=lambda version: -version.number)

    def of_training(self, run_id: str) -> Version | None:
        """The newest version that a training brought forth, if any; its run may have been deleted since."""
        found = self._client.search_model_versions(f"name = '{MODEL_NAME}'")
        versions = [_version(item) for item in found if item.tags.get(TAG_TRAINING) == run_id]
        return max(versions, key=lambda version: version.number, default=None)

    def with_alias(self, alias: str) -> Version | None:
        """The version that holds an alias, if any does."""
        try:
            return _version(self._client.get_model_version_by_alias(MODEL_NAME, alias))
        except self._error as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def set_alias(self, alias: str, number: int) -> None:
        """Gives an alias to a version, taking it from another."""
        self._client.set_registered_model_alias(MODEL_NAME, alias, str(number))

    def drop_alias(self, alias: str) -> None:
        """Takes an alias away, if it is there."""
        self._client.delete_registered_model_alias(MODEL_NAME, alias)

    def set_verdict(self, number: int, status: str, reason: str) -> None:
        """Changes the verdict of a version, after it was judged by other gates."""
        self._client.set_model_version_tag(MODEL_NAME, str(number), TAG_REASON, reason)
        self._client.set_model_version_tag(MODEL_NAME, str(number), TAG_STATUS, status)

    def log_promotion(self, key: str, entry: dict[str, Any]) -> None:
        """Adds to the log of promotions (who, when, why, figures); the same key again changes nothing."""
        tag = _PROMOTION + key
        if tag not in self._client.get_registered_model(MODEL_NAME).tags:
            self._client.set_registered_model_tag(MODEL_NAME, tag, json.dumps(entry, ensure_ascii=False))

    def promotions(self) -> list[dict[str, Any]]:
        """The log of promotions, oldest first."""
        try:
            tags = self._client.get_registered_model(MODEL_NAME).tags
        except self._error as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return []
            raise
        entries = [json.loads(text) for name, text in tags.items() if name.startswith(_PROMOTION)]
        return sorted(entries, key=lambda entry: str(entry["at"]))

    def resolve(self, uri: str | None) -> Version:
        """Finds the version that `models:/taste/N` or `models:/taste@alias` names; the newest for None.

        Raises:
            RegistryError: there is none.
            UserError: the URI has another form.
        """
        if uri is None:
            newest = next(iter(self.versions()), None)
            if newest is None:
                raise RegistryError("no model is registered yet (train one: sazon train --data FILE)")
            return newest
        prefix = f"models:/{MODEL_NAME}"
        if uri.startswith(prefix + "@"):
            found = self.with_alias(uri.removeprefix(prefix + "@"))
        elif uri.startswith(prefix + "/") and uri.removeprefix(prefix + "/").isdigit():
            number = int(uri.removeprefix(prefix + "/"))
            found = next((version for version in self.versions() if version.number == number), None)
        else:
            raise UserError(f'"{uri}" is not a model (want {prefix}/N or {prefix}@champion)')
        if found is None:
            raise RegistryError(f"{uri} is not in the registry (see: sazon versions)")
        return found

    def download(self, version: Version) -> Path:
        """A local directory with the version's SavedModel."""
        import mlflow

        mlflow.set_tracking_uri(self._client.tracking_uri)
        folder = Path(mlflow.artifacts.download_artifacts(version.uri))
        flavour = mlflow.models.Model.load(str(folder)).flavors["python_function"]
        return folder / flavour["artifacts"]["saved_model"]["path"]

    def download_checkpoint(self, version: Version) -> Path:
        """A local directory with the version's weights in transformers format.

        Raises:
            RegistryError: the run of the version is gone, or is older than such checkpoints.
        """
        import mlflow

        mlflow.set_tracking_uri(self._client.tracking_uri)
        try:
            place = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=CHECKPOINT_ARTIFACT)
        except (self._error, OSError):
            raise RegistryError(f"{version.uri}: its run holds no {CHECKPOINT_ARTIFACT}/; train it again") from None
        return Path(place)


def _version(item: "ModelVersion") -> Version:
    return Version(int(item.version), item.run_id, item.tags.get(TAG_STATUS, ""), item.tags.get(TAG_REASON, ""))
