"""Tells model servers which versions to hold and what to call them, by TensorFlow Serving's own means."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc

from sazon.errors import ServingError
from sazon.schema import MODEL_NAME
from serving.rollout.documents import Document

_TIMEOUT_S: Final = 30.0
_CHANNEL_OPTIONS: Final = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
Addresses = Callable[[], Sequence[str]]
"""`host:port` of the gRPC of every replica, as they are now."""
AVAILABLE: Final = "AVAILABLE"
END: Final = "END"


@dataclass(frozen=True)
class VersionState:
    """What a server says of a version: its state in the protocol's words, and the error that ended it."""

    state: str
    error: str = ""


class ModelServers(Protocol):
    """All replicas that serve the model.

    Attributes:
        addresses: where they are.
    """

    addresses: Addresses

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

    def __init__(self, addresses: Addresses, base_path: str) -> None:
        self.addresses, self._base_path = addresses, base_path

    def assign(self, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """See `ModelServers`."""
        from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

        request = ReloadConfigRequest()
        _describe(request.config.model_config_list.config.add(), self._base_path, versions, labels)
        for address in self.addresses():
            response = _ask(address, "HandleReloadConfigRequest", request)
            if response.status.error_code:
                raise ServingError(f"model server {address}: {response.status.error_message}")

    def states(self) -> dict[int, VersionState]:
        """See `ModelServers`."""
        return _least_states(self.addresses)

    def labelled(self, label: str) -> int | None:
        """See `ModelServers`."""
        return _common_label(self.addresses, label)


class PolledServers:
    """Writes the model config file that every replica polls (`--model_config_file_poll_wait_seconds`).

    Other models of the file stay as they are. Without `--allow_version_labels_for_unavailable_models` a server does
    not start on a file with labels.
    """

    def __init__(self, addresses: Addresses, base_path: str | None, config: Document) -> None:
        """`base_path` None: what the file says already."""
        self.addresses, self._base_path, self._config = addresses, base_path, config

    def assign(self, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """See `ModelServers`; the servers follow at their next poll."""
        self._config.change(lambda text: self._edit(text or "", versions, labels))

    def _edit(self, text: str, versions: Sequence[int], labels: Mapping[str, int]) -> str:
        from google.protobuf import text_format
        from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

        config = ModelServerConfig()
        try:
            text_format.Parse(text, config)
        except text_format.ParseError as error:
            raise ServingError(f"{self._config} is damaged: {error}; write it anew or remove it") from None
        models = config.model_config_list.config
        base_path = self._base_path or next((model.base_path for model in models if model.name == MODEL_NAME), None)
        if base_path is None:
            raise ServingError(f"{self._config} names no base_path of {MODEL_NAME} (or set rollout.model_base_path)")
        for place in [place for place, model in enumerate(models) if model.name == MODEL_NAME]:
            del models[place]
        _describe(models.add(), base_path, versions, labels)
        return str(text_format.MessageToString(config))

    def states(self) -> dict[int, VersionState]:
        """See `ModelServers`."""
        return _least_states(self.addresses)

    def labelled(self, label: str) -> int | None:
        """See `ModelServers`."""
        return _common_label(self.addresses, label)


def _describe(model: Any, base_path: str, versions: Sequence[int], labels: Mapping[str, int]) -> None:
    model.name, model.base_path, model.model_platform = MODEL_NAME, base_path, "tensorflow"
    model.model_version_policy.specific.versions.extend(sorted(versions))
    for label, version in labels.items():
        model.version_labels[label] = version


def _least_states(addresses: Addresses) -> dict[int, VersionState]:
    from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus

    request = GetModelStatusRequest()
    request.model_spec.name = MODEL_NAME
    everywhere: list[dict[int, VersionState]] = [
        {
            item.version: VersionState(ModelVersionStatus.State.Name(item.state), item.status.error_message)
            for item in (found.model_version_status if found is not None else ())
        }
        for found in _ask_all(addresses, "GetModelStatus", request, grpc.StatusCode.NOT_FOUND)
    ]
    nowhere = VersionState("UNKNOWN")
    versions = {version for states in everywhere for version in states}
    return {
        version: next(
            (state for state in (states.get(version, nowhere) for states in everywhere) if state.state != AVAILABLE),
            VersionState(AVAILABLE),
        )
        for version in versions
    }


def _common_label(addresses: Addresses, label: str) -> int | None:
    from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest

    request = GetModelMetadataRequest()
    request.model_spec.name, request.model_spec.version_label = MODEL_NAME, label
    request.metadata_field.append("signature_def")
    found = {
        response.model_spec.version.value if response is not None else None
        for response in _ask_all(addresses, "GetModelMetadata", request, grpc.StatusCode.INVALID_ARGUMENT)
    }
    return found.pop() if len(found) == 1 else None


def _ask_all(addresses: Addresses, method: str, request: Any, absent: grpc.StatusCode) -> Iterator[Any]:
    """What each replica answers; one that was taken away while it was asked does not count."""
    for address in addresses():
        try:
            yield _ask(address, method, request, absent)
        except ServingError:
            if address in addresses():
                raise


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
