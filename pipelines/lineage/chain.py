"""The chain from an answer, a version or some data back to where it came from; what is not found is named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from data.versions import Versions
from pipelines.lineage.pipeline_runs import PipelineRun, read_pipeline_run
from pipelines.lineage.usage import Used, has_registry, read_usage
from sazon.errors import RegistryError, UserError
from sazon.registry import CHALLENGER, CHAMPION, PREVIOUS, TAG_DIGEST, Registry, Version
from sazon.schema import MODEL_NAME
from sazon.settings import Settings
from serving.gateway.prediction_ids import looks_like_prediction_id, read_prediction_id
from serving.traffic import CANARY

if TYPE_CHECKING:
    from data.store import Batch

METRICS: Final = (
    "test_macro_f1",
    "test_accuracy",
    "test_tastes_micro_f1",
    "test_calibration_error",
    "training_seconds",
)
"""What is shown of a run's figures; the rest is in MLflow."""
_VERSION: Final = re.compile(rf"(\d{{1,6}})|@?({CHAMPION}|{PREVIOUS}|{CHALLENGER})|(models:/.+)")


@dataclass
class Chain:
    """One link each, None or empty where there is none; `missing` says why, in a line each."""

    prediction: dict[str, Any] | None = None
    version: dict[str, Any] | None = None
    run: dict[str, Any] | None = None
    pipeline: PipelineRun | None = None
    code: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    used_by: Used | None = None
    missing: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def trace(name: str, settings: Settings) -> Chain:
    """Walks back from a prediction's id, a version (number, alias, URI) or a digest of data.

    Raises:
        UserError: the name is none of these, or no such data is recorded.
        RegistryError: there is no such version.
    """
    chain = Chain()
    prediction = _read_prediction(name)
    if prediction is not None:
        chain.prediction = prediction
        if prediction["version"] is None:
            chain.missing.append("version: its number was too large for the id")
        else:
            _add_answering_version(chain, prediction, settings)
    elif found := _VERSION.fullmatch(name):
        number, alias, uri = found.groups()
        uri = uri or f"models:/{MODEL_NAME}" + (f"/{number}" if number else f"@{alias}")
        _add_version(chain, _registry(settings).resolve(uri), settings)
    else:
        _add_data(chain, name, settings)
        chain.used_by = read_usage(settings).of(chain.data["digest"]) if chain.data else None
    return chain


def _read_prediction(name: str) -> dict[str, Any] | None:
    if not looks_like_prediction_id(name):
        return None
    try:
        said = read_prediction_id(name)
    except ValueError as error:
        raise UserError(f"{error} (the gateway's answers name theirs as prediction_id)") from None
    role = CANARY if said.role == CANARY else CHAMPION
    at = said.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"id": name, "at": at, "version": said.version, "role": role}


def _registry(settings: Settings) -> Registry:
    if not has_registry(settings):
        raise RegistryError("no model is registered yet (train one: sazon train --data FILE)")
    return Registry(settings.tracking_uri)


def _add_answering_version(chain: Chain, prediction: Mapping[str, Any], settings: Settings) -> None:
    """A deleted version ends the chain, but the id is none the less right."""
    number = prediction["version"]
    try:
        version = _registry(settings).resolve(f"models:/{MODEL_NAME}/{number}")
    except RegistryError:
        chain.missing.append(f"version: {number} is not in this registry (deleted, or another installation answered)")
        return
    _add_version(chain, version, settings)
    if chain.version and prediction["at"] < chain.version["registered_at"]:
        chain.missing.append(
            f"version: {number} was registered here only after that answer, so another installation gave it"
        )


def _add_version(chain: Chain, version: Version, settings: Settings) -> None:
    client = _registry(settings).client
    found = client.get_model_version(MODEL_NAME, str(version.number))
    model = client.get_registered_model(MODEL_NAME)
    chain.version = {
        "number": version.number,
        "status": version.status,
        "reason": version.reason,
        "aliases": [alias for alias in (CHAMPION, PREVIOUS, CHALLENGER) if _holds(model, alias, version.number)],
        "registered_at": _iso(found.creation_timestamp),
    }
    _add_run(chain, client, version.run_id)
    chain.pipeline = read_pipeline_run(settings.state.metadata_db, version.number, version.run_id)
    if chain.pipeline is None:
        chain.missing.append(f"pipeline run: none in {settings.state.metadata_db} registered version {version.number}")
    chain.code = _code(found.tags.get("git_revision", ""))
    if chain.code is None:
        chain.missing.append("code revision: there was no git where it was trained")
    digest = found.tags.get(TAG_DIGEST)
    if digest is None:
        chain.missing.append("data: the version has no digest")
        return
    try:
        _add_data(chain, digest, settings)
    except UserError:
        chain.missing.append(f"data: {digest} is not recorded in {settings.state.versions}")


def _holds(model: Any, alias: str, number: int) -> bool:
    return str(model.aliases.get(alias)) == str(number)


def _add_run(chain: Chain, client: Any, run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException:
        chain.missing.append(f"MLflow run: {run_id} is deleted")
        return
    if run.info.lifecycle_stage != "active":
        chain.missing.append(f"MLflow run: {run_id} is marked as deleted")
    chain.run = {
        "run_id": run_id,
        "experiment": client.get_experiment(run.info.experiment_id).name,
        "status": run.info.status,
        "started_at": _iso(run.info.start_time),
        "ended_at": _iso(run.info.end_time) if run.info.end_time else None,
        "parameters": dict(sorted(run.data.params.items())),
        "metrics": {name: run.data.metrics[name] for name in METRICS if name in run.data.metrics},
    }


def _code(revision: str) -> dict[str, Any] | None:
    if revision in ("", "unknown"):
        return None
    return {"revision": revision.removesuffix("-dirty"), "dirty": revision.endswith("-dirty")}


def _add_data(chain: Chain, digest: str, settings: Settings) -> None:
    version = Versions(settings.state.versions, settings.data.remote).resolve(digest)
    chain.data = {**asdict(version), "batches": _batches(version.batches, settings)}


def _batches(digests: Sequence[str], settings: Settings) -> list[dict[str, Any]]:
    """What the feedback store says of them; one that it no longer knows has a digest only."""
    if not digests:
        return []
    from data.store import FeedbackStore

    known = {batch.digest: batch for batch in FeedbackStore(settings.state.feedback).batches()}
    return [_batch(digest, known.get(digest)) for digest in digests]


def _batch(digest: str, batch: "Batch | None") -> dict[str, Any]:
    if batch is None:
        return {"digest": digest, "source": None, "source_digest": None, "accepted": None, "ingested_at": None}
    return {
        "digest": digest,
        "source": batch.source,
        "source_digest": batch.source_digest,
        "accepted": batch.accepted,
        "ingested_at": batch.ingested_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
