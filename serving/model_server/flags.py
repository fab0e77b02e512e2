"""The flags of `tensorflow_model_server`, and what they mean here."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sazon import __version__
from sazon.errors import SettingsError
from sazon.home import Home
from sazon.schema import MODEL_NAME
from serving.model_server.config_files import (
    DEFAULT_METRICS_PATH,
    BatchingOptions,
    read_batching,
    read_metrics_path,
    read_model_config,
    read_tls,
)
from serving.model_server.model_configs import single_model
from serving.model_server.options import ListenOptions, ServerOptions, SessionOptions
from serving.model_server.watcher import RetryPolicy
from serving.traffic import STABLE, Traffic

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

DEFAULT_NAME: Final = "default"

_BATCHING: Final = BatchingOptions(max_batch_size=64, split_large=True)
"""Without a file. Whoever waits does so only while the processors are busy; a large request holds up no small one."""

_VALUES: Final[tuple[tuple[str, type[Any], Any, str], ...]] = (
    ("host", str, None, "address of both ports (not a flag of TensorFlow Serving)"),
    ("port", int, None, "gRPC port; 0 = any free"),
    ("grpc_socket_path", str, "", "Unix socket for gRPC, beside the port"),
    ("rest_api_port", int, None, "REST port; 0 = any free"),
    ("rest_api_num_threads", int, 4 * (os.cpu_count() or 1), "requests that run at once, REST and gRPC together"),
    ("rest_api_timeout_in_ms", int, 30_000, "a REST request that takes longer is answered 504"),
    ("model_name", str, None, "name that clients use"),
    ("model_base_path", Path, None, "directory of numbered versions; by default what was rolled out"),
    ("model_config_file", Path, None, "ModelServerConfig: several models, version policies, labels"),
    ("model_config_file_poll_wait_seconds", float, 0.0, "seconds between readings of that file; 0 = once"),
    ("file_system_poll_wait_seconds", float, None, "seconds between looks for new versions; 0 = once"),
    ("max_num_load_retries", int, None, "for a version that cannot be loaded (5; 0 before the ports open)"),
    ("load_retry_interval_micros", int, 60_000_000, "between these retries"),
    ("batching_parameters_file", Path, None, "BatchingParameters; needs --enable_batching"),
    ("monitoring_config_file", Path, None, "MonitoringConfig: whether and where Prometheus reads metrics"),
    ("ssl_config_file", Path, None, "SSLConfig of the gRPC port"),
    ("grpc_channel_arguments", str, "", "key=value,… for the gRPC port"),
    ("saved_model_tags", str, "serve", "tags of the graph to load, by comma"),
    ("num_request_iterations_for_warmup", int, 1, "how often each warm-up record runs"),
    ("tensorflow_session_parallelism", int, 0, "threads within and between operations; 0 = see the next two"),
    ("tensorflow_intra_op_parallelism", int, 1, "threads of one operation; 0 = TensorFlow chooses"),
    ("tensorflow_inter_op_parallelism", int, 0, "operations at once"),
)
_SWITCHES: Final[tuple[tuple[str, bool, str], ...]] = (
    ("enable_batching", False, "put requests together"),
    ("allow_version_labels_for_unavailable_models", False, "new labels may name versions that are not loaded"),
    ("rest_api_enable_cors_support", False, "allow browsers from other origins"),
    ("enable_model_warmup", True, "run warm-up requests before a version answers"),
    ("enable_signature_method_name_check", False, "classify and regress want signatures made for them"),
)
_WITHOUT_EFFECT: Final = (
    "num_load_threads",
    "num_unload_threads",
    "flush_filesystem_caches",
    "use_alts_credentials",
    "platform_config_file",
    "per_process_gpu_memory_fraction",
    "grpc_max_threads",
    "remove_unused_fields_from_bundle_metagraph",
    "prefer_tflite_model",
    "num_tflite_pools",
    "num_tflite_interpreters_per_pool",
    "enable_profiler",
    "enable_grpc_healthcheck_service",
    "thread_pool_factory_config_file",
    "tensorflow_session_config_file",
    "xla_cpu_compilation_enabled",
    "mixed_precision",
    "skip_initialize_tpu",
)


def parse_flags(arguments: Sequence[str] | None, program: str) -> ServerOptions:
    """Reads the command line and the files it names.

    Args:
        arguments: `--flag=value`, `--flag value`, `--switch`, `--switch=false`; None for those of the process.
        program: the command's name, for its help.

    Raises:
        SettingsError: an unknown flag, a bad value, or a bad file.
    """
    from sazon.settings import load_settings

    flags = _parser(program).parse_args(arguments)
    settings = load_settings()
    if flags.batching_parameters_file and not flags.enable_batching:
        raise SettingsError("--batching_parameters_file is set without --enable_batching; add it")
    retries = flags.max_num_load_retries
    interval_s = flags.load_retry_interval_micros / 1e6
    poll_s = flags.file_system_poll_wait_seconds
    return ServerOptions(
        models=_models(flags, settings.state),
        config_file=flags.model_config_file,
        config_poll_s=flags.model_config_file_poll_wait_seconds,
        poll_s=settings.serving.poll_s if poll_s is None else poll_s,
        retries=RetryPolicy(5 if retries is None else retries, interval_s),
        first_retries=RetryPolicy(retries or 0, interval_s),
        allow_unavailable_labels=flags.allow_version_labels_for_unavailable_models or not _is_other(flags),
        check_method_names=flags.enable_signature_method_name_check,
        workers=max(1, flags.rest_api_num_threads),
        listen=_listen(flags, settings.serving.host, settings.serving.rest_port, settings.serving.grpc_port),
        session=_session(flags),
        batching=_batching(flags),
    )


def _is_other(flags: argparse.Namespace) -> bool:
    """Whether other models are to be served than what was rolled out."""
    return bool(flags.model_base_path or flags.model_config_file)


def _models(flags: argparse.Namespace, home: Home) -> "ModelServerConfig":
    if flags.model_config_file:
        return read_model_config(flags.model_config_file)
    if flags.model_base_path:
        return single_model(flags.model_name or DEFAULT_NAME, flags.model_base_path.absolute())
    # The newest version may be one on trial that a rollout has yet to judge, or judged already.
    stable = Traffic.read(home.traffic).stable
    base_path = home.served.absolute() / MODEL_NAME
    labels = {STABLE: stable} if stable is not None and (base_path / str(stable)).is_dir() else {}
    return single_model(flags.model_name or MODEL_NAME, base_path, labels)


def _listen(flags: argparse.Namespace, host: str, rest_port: int, grpc_port: int) -> ListenOptions:
    tls = flags.ssl_config_file
    return ListenOptions(
        host=flags.host or host,
        rest_port=rest_port if flags.rest_api_port is None else flags.rest_api_port,
        grpc_port=grpc_port if flags.port is None else flags.port,
        grpc_socket=flags.grpc_socket_path,
        grpc_arguments=_channel_arguments(flags.grpc_channel_arguments),
        rest_timeout_s=flags.rest_api_timeout_in_ms / 1e3,
        cors=flags.rest_api_enable_cors_support,
        tls=read_tls(tls) if tls else None,
        metrics_path=_metrics_path(flags),
    )


def _metrics_path(flags: argparse.Namespace) -> str | None:
    if flags.monitoring_config_file:
        return read_metrics_path(flags.monitoring_config_file)
    # TensorFlow Serving shows nothing by default; Sazón's own model is always measured.
    return None if _is_other(flags) else DEFAULT_METRICS_PATH


def _session(flags: argparse.Namespace) -> SessionOptions:
    both = flags.tensorflow_session_parallelism
    return SessionOptions(
        intra_op_threads=both or flags.tensorflow_intra_op_parallelism,
        inter_op_threads=both or flags.tensorflow_inter_op_parallelism,
        tags=tuple(flags.saved_model_tags.split(",")),
        warm_up=flags.enable_model_warmup,
        warm_up_iterations=flags.num_request_iterations_for_warmup,
    )


def _batching(flags: argparse.Namespace) -> BatchingOptions | None:
    if not flags.enable_batching:
        return None
    return read_batching(flags.batching_parameters_file) if flags.batching_parameters_file else _BATCHING


def _channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    pairs = [item.partition("=") for item in text.split(",") if item]
    return tuple((key, int(value) if value.lstrip("-").isdigit() else value) for key, _, value in pairs)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as an error of ours; its help looks like that of our other commands."""

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "Usage:", 1)

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{self.prog}: {message} (--help lists the flags)")


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=program, description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"Sazón's model server {__version__}")
    for name, kind, default, text in _VALUES:
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    for name, switch, text in _SWITCHES:
        parser.add_argument(f"--{name}", type=_boolean, nargs="?", const=True, default=switch, help=text)
    for name in _WITHOUT_EFFECT:
        parser.add_argument(f"--{name}", nargs="?", help="taken for compatibility; changes nothing")
    return parser


def _boolean(text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return known[text.lower()]
