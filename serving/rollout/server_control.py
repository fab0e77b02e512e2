"""Tells model servers which versions to hold and what to call them, by TensorFlow Serving's own means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import grpc

from sazon.errors import ServingError
from sazon.home import write_atomically
from sazon.schema import MODEL_NAME

_TIMEOUT_S: Final = 30.0
_CHANNEL_OPTIONS: Final = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
AVAILABLE: Final = "AVAILABLE"
END: Final = "END"


@dataclass(frozen=True)
class VersionState:
    """What a server says of a version: its state in the protocol's words, and the error that ended it."""

    state: str
    error: str = ""


class ModelServers(Protocol):
    """All replicas that serve the model."""

    def assign(self, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """Asks for exactly these versions and labels; a label's version must be available already.

        Raises:
            ServingError: a server cannot be reached, or refuses.
        """
        ...

    def states(self) -> dict[int, VersionState]:
        """The least state of each version over all replicas.

        Raises:
            ServingError: a server cannot be reached.
        """
        ...

    def labelled(self, label: str) -> int | None:
        """The version that a label leads to; None where a replica does not know it, or they differ.

        Raises:
            ServingError: a server cannot be reached.
        """
        ...


def hold(servers: ModelServers, versions: Sequence[int], labels: Mapping[str, int]) -> bool:
    """Asks for versions, and for those labels whose versions answer already: a server refuses the whole otherwise.

    Returns:
        Whether every label leads to its version on every server; else ask again.
    """
    states = servers.states()
    ready = {
        label: number for label, number in labels.items() if number in states and states[number].state == AVAILABLE
    }
    servers.assign(versions, ready)
    return ready == labels and all(servers.labelled(label) == number for label, number in labels.items())


class ReloadedServers:
    """Sends HandleReloadConfigRequest to every replica. It replaces the whole configuration: they serve this model
    alone.
    """  # noqa: D205

    def __init__(self, addresses: Sequence[str], base_path: str) -> None:
        self._addresses, self._base_path = addresses, base_path

    def assign(self, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """See `ModelServers`."""
        from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

        request = ReloadConfigRequest()
        _describe(request.config.model_config_list.config.add(), self._base_path, versions, labels)
        for address in self._addresses:
            response = _ask(address, "HandleReloadConfigRequest", request)
            if response.status.error_code:
                raise ServingError(f"model server {address}: {response.status.error_message}")

    def states(self) -> dict[int, VersionState]:
        """See `ModelServers`."""
        return _least_states(self._addresses)

    def labelled(self, label: str) -> int | None:
        """See `ModelServers`."""
        return _common_label(self._addresses, label)


class PolledServers:
    """Writes the model config file that every replica polls (`--model_config_file_poll_wait_seconds`).

    Other models of the file stay as they are. The file may be what becomes a ConfigMap. Without
    `--allow_version_labels_for_unavailable_models` a server does not start on a file with labels.
    """

    def __init__(self, addresses: Sequence[str], base_path: str, config_file: Path) -> None:
        self._addresses, self._base_path, self._file = addresses, base_path, config_file

    def assign(self, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """See `ModelServers`; the servers follow at their next poll."""
        from google.protobuf import text_format
        from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

        config = ModelServerConfig()
        if self._file.exists():
            text_format.Parse(self._file.read_text(encoding="utf-8"), config)
        models = config.model_config_list.config
        for place in [place for place, model in enumerate(models) if model.name == MODEL_NAME]:
            del models[place]
        _describe(models.add(), self._base_path, versions, labels)
        write_atomically(self._file, text_format.MessageToString(config))

    def states(self) -> dict[int, VersionState]:
        """See `ModelServers`."""
        return _least_states(self._addresses)

    def labelled(self, label: str) -> int | None:
        """See `ModelServers`."""
        return _common_label(self._addresses, label)


def _describe(model: Any, base_path: str, versions: Sequence[int], labels: Mapping[str, int]) -> None:
    model.name, model.base_path, model.model_platform = MODEL_NAME, base_path, "tensorflow"
    model.model_version_policy.specific.versions.extend(sorted(versions))
    for label, version in labels.items():
        model.version_labels[label] = version


def _least_states(addresses: Sequence[str]) -> dict[int, VersionState]:
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus

    request = GetModelStatusRequest()
    request.model_spec.name = MODEL_NAME
    everywhere: list[dict[int, VersionState]] = []
    for address in addresses:
        found = _ask(address, "GetModelStatus", request, absent=grpc.StatusCode.NOT_FOUND)
        everywhere.append(
            {
                item.version: VersionState(ModelVersionStatus.State.Name(item.state), item.status.error_message)
                for item in (found.model_version_status if found is not None else ())
            }
        )
    nowhere = VersionState("UNKNOWN")
    versions = {version for states in everywhere for version in states}
    return {
        version: next(
            (state for state in (states.get(version, nowhere) for states in everywhere) if state.state != AVAILABLE),
            VersionState(AVAILABLE),
        )
        for version in versions
    }


def _common_label(addresses: Sequence[str], label: str) -> int | None:
    from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest

    request = GetModelMetadataRequest()
    request.model_spec.name, request.model_spec.version_label = MODEL_NAME, label
    request.metadata_field.append("signature_def")
    found = set()
    for address in addresses:
        response = _ask(address, "GetModelMetadata", request, absent=grpc.StatusCode.INVALID_ARGUMENT)
        found.add(response.model_spec.version.value if response is not None else None)
    return found.pop() if len(found) == 1 else None


def _ask(address: str, method: str, request: Any, absent: grpc.StatusCode | None = None) -> Any:
    """One call; None where the server answers with the status `absent`."""
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    with grpc.insecure_channel(address, options=_CHANNEL_OPTIONS) as channel:
        metadata = method == "GetModelMetadata"
        stub = (
            prediction_service_pb2_grpc.PredictionServiceStub(channel)
            if metadata
            else model_service_pb2_grpc.ModelServiceStub(channel)
        )
        try:
            return getattr(stub, method)(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() is absent:
                return None
            raise ServingError(f"model server {address}: {error.details()}") from None
