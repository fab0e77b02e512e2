"""`sazon serve`, `sazon app`, `sazon mlflow`: the servers, one a process."""

from typing import Annotated, Final

import typer

SERVE_CONTEXT: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""The model server parses its flags itself: they are not this command line's to define."""


def serve(context: typer.Context) -> None:
    """Serve models with TensorFlow Serving's protocol (REST and gRPC), under tensorflow_model_server's flags."""
    from serving.model_server.flags import parse_flags
    from serving.model_server.server import serve as run

    run(parse_flags(context.args, "sazon serve"))


def gateway(
    model_grpc: Annotated[str | None, typer.Option(help="host:port of the model server's gRPC.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="HTTP port.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Serve the gateway: predict API and its description, health, metrics and the page."""
    from sazon.settings import load_settings
    from serving.gateway.start import start

    start(load_settings(), model_grpc, host, port)


def mlflow(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="HTTP port.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve MLflow (experiments, registry) over the state directory."""
    from sazon.settings import load_settings
    from serving.registry_server import run

    settings = load_settings()
    home = settings.state
    run(home.mlflow_db, home.mlflow_artifacts, host, settings.mlflow.port if port is None else port)
