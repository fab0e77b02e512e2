"""`python -m serving.model_server`: the flags of `tensorflow_model_server` that this server knows."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sazon.errors import SazonError
from sazon.logging import configure_logging
from serving.model_server.server import ServerOptions, serve
from serving.model_server.watcher import RetryPolicy


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until a signal; returns the exit status."""
    flags = _parser().parse_args(arguments)
    configure_logging()
    retries = RetryPolicy(flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6)
    options = ServerOptions(
        model_name=flags.model_name,
        model_base_path=flags.model_base_path,
        host=flags.host,
        rest_port=flags.rest_api_port,
        grpc_port=flags.port,
        poll_s=flags.file_system_poll_wait_seconds,
        intra_op_threads=flags.tensorflow_intra_op_parallelism,
        workers=flags.workers,
        retries=retries,
    )
    try:
        serve(options)
    except SazonError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serving.model_server", description=__doc__)
    parser.add_argument("--model_name", default="default", help="name that clients use (%(default)s)")
    parser.add_argument("--model_base_path", type=Path, required=True, help="directory of numbered versions")
    parser.add_argument("--host", default="127.0.0.1", help="address of both ports (%(default)s)")
    parser.add_argument("--rest_api_port", type=int, default=8501, help="HTTP port, 0 for any (%(default)s)")
    parser.add_argument("--port", type=int, default=8500, help="gRPC port, 0 for any (%(default)s)")
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1.0, help="(%(default)s)")
    parser.add_argument("--max_num_load_retries", type=int, default=5, help="for a broken version (%(default)s)")
    parser.add_argument("--load_retry_interval_micros", type=int, default=60_000_000, help="(%(default)s)")
    parser.add_argument("--tensorflow_intra_op_parallelism", type=int, default=1, help="threads of one operation")
    parser.add_argument("--workers", type=int, help="requests that run at once (default: one per core)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
