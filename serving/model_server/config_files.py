"""Configuration files: text-format protos, read into what the server works with."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import text_format
from google.protobuf.message import Message

from sazon.errors import SettingsError
from serving.model_server.config_schemas import BatchingParameters, MonitoringConfig, SSLConfig

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

DEFAULT_METRICS_PATH: Final = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class BatchingOptions:
    """How requests are put together; the defaults are TensorFlow Serving's."""

    max_batch_size: int = 1000
    batch_timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    thread_pool_name: str = "batch_threads"
    split_large: bool = False
    """Whether a request over `max_batch_size` runs alone, in pieces, instead of being refused."""


@dataclass(frozen=True)
class TlsOptions:
    """Key and certificates of the gRPC port, in PEM."""

    key: bytes
    certificate: bytes
    client_authority: bytes | None
    verify_client: bool


def read_model_config(path: Path) -> "ModelServerConfig":
    """Reads `--model_config_file`.

    Raises:
        SettingsError: it cannot be read, or is no such proto.
    """
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    return _read(path, "model_config_file", ModelServerConfig)


def read_batching(path: Path) -> BatchingOptions:
    """Reads `--batching_parameters_file`.

    Raises:
        SettingsError: it cannot be read, is no such proto, or its sizes contradict each other.
    """
    parameters = _read(path, "batching_parameters_file", BatchingParameters)
    given: dict[str, Any] = {
        name: getattr(parameters, proto_name).value
        for name, proto_name in (
            ("max_batch_size", "max_batch_size"),
            ("max_enqueued_batches", "max_enqueued_batches"),
            ("threads", "num_batch_threads"),
            ("thread_pool_name", "thread_pool_name"),
        )
        if parameters.HasField(proto_name)
    }
    options = BatchingOptions(
        batch_timeout_s=parameters.batch_timeout_micros.value / 1e6,
        allowed_batch_sizes=tuple(parameters.allowed_batch_sizes),
        pad_variable_length_inputs=parameters.pad_variable_length_inputs,
        split_large=parameters.enable_large_batch_splitting.value,
        **given,
    )
    _check_batching(path, options)
    return options


def read_tls(path: Path) -> TlsOptions:
    """Reads `--ssl_config_file`.

    Raises:
        SettingsError: it cannot be read, or is no such proto.
    """
    config = _read(path, "ssl_config_file", SSLConfig)
    return TlsOptions(
        config.server_key.encode(),
        config.server_cert.encode(),
        config.custom_ca.encode() or None,
        config.client_verify,
    )


def read_metrics_path(path: Path) -> str | None:
    """Reads `--monitoring_config_file`.

    Returns:
        The path of the metrics; None where they are not enabled.

    Raises:
        SettingsError: it cannot be read, or is no such proto.
    """
    prometheus = _read(path, "monitoring_config_file", MonitoringConfig).prometheus_config
    return (prometheus.path or DEFAULT_METRICS_PATH) if prometheus.enable else None


def _read(path: Path, flag: str, kind: type[Any]) -> Any:
    message: Message = kind()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingsError(f"--{flag} {path}: cannot be read: {reason}") from None
    except text_format.ParseError as error:
        raise SettingsError(f"--{flag} {path}: Invalid protobuf file, line {error}") from None
    return message


def _check_batching(path: Path, options: BatchingOptions) -> None:
    sizes = options.allowed_batch_sizes
    if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1):
        raise SettingsError(f"{path}: allowed_batch_sizes must be positive and rise: {list(sizes)}")
    if sizes and sizes[-1] != options.max_batch_size:
        raise SettingsError(
            f"{path}: the last of allowed_batch_sizes is {sizes[-1]}; "
            f"it must be max_batch_size, {options.max_batch_size}"
        )
    for name in ("max_batch_size", "max_enqueued_batches", "threads"):
        if getattr(options, name) < 1:
            raise SettingsError(f"{path}: {name} is {getattr(options, name)}; it must be at least 1")
    if options.batch_timeout_s < 0:
        raise SettingsError(f"{path}: batch_timeout_micros must not be negative")
