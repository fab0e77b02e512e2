"""What a server process is told to do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from serving.model_server.config_files import BatchingOptions, TlsOptions
from serving.model_server.watcher import RetryPolicy

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig


@dataclass(frozen=True)
class ListenOptions:
    """Where and how to answer; port 0 is any free port."""

    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500
    grpc_socket: str = ""
    grpc_arguments: tuple[tuple[str, int | str], ...] = ()
    rest_timeout_s: float = 30.0
    cors: bool = False
    tls: TlsOptions | None = None
    metrics_path: str | None = None


@dataclass(frozen=True)
class SessionOptions:
    """How versions are loaded and run; 0 threads lets TensorFlow choose."""

    intra_op_threads: int = 1
    inter_op_threads: int = 0
    tags: tuple[str, ...] = ("serve",)
    warm_up: bool = True
    warm_up_iterations: int = 1


@dataclass(frozen=True)
class ServerOptions:
    """Everything together."""

    models: "ModelServerConfig"
    config_file: Path | None = None
    config_poll_s: float = 0.0
    poll_s: float = 1.0
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    first_retries: RetryPolicy = field(default_factory=lambda: RetryPolicy(max_retries=0))
    """Before the ports open: a broken version ends the process, which says why, instead of minutes of silence."""
    allow_unavailable_labels: bool = False
    check_method_names: bool = False
    workers: int = 8
    listen: ListenOptions = field(default_factory=ListenOptions)
    session: SessionOptions = field(default_factory=SessionOptions)
    batching: BatchingOptions | None = None
