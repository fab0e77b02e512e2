"""`sazon serve`, `sazon app`, `sazon mlflow`: the servers, one a process."""

from pathlib import Path
from typing import Annotated

import typer

from sazon.schema import MODEL_NAME


def serve(
    model_base_path: Annotated[
        Path | None,
        typer.Option("--model_base_path", help="Versions to serve; those of the state directory by default."),
    ] = None,
    model_name: Annotated[str, typer.Option("--model_name", help="Name in the URL.")] = MODEL_NAME,
    rest_api_port: Annotated[int | None, typer.Option("--rest_api_port", help="REST port; 0 = any free.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="gRPC port; 0 = any free.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Serve the newest rolled-out version with TensorFlow Serving's protocol (REST and gRPC)."""
    from sazon.settings import load_settings
    from serving.model_server.server import run

    settings = load_settings()
    run(
        model_name=model_name,
        model_base_path=model_base_path or settings.state.served / MODEL_NAME,
        host=host or settings.serving.host,
        rest_port=settings.serving.rest_port if rest_api_port is None else rest_api_port,
        grpc_port=settings.serving.grpc_port if port is None else port,
        poll_s=settings.serving.poll_s,
    )


def gateway(
    model_grpc: Annotated[str | None, typer.Option(help="host:port of the model server's gRPC.")] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Serve the gateway: predict API, health, metrics and the page."""
    from sazon.settings import load_settings
    from serving.gateway.app import GatewayConfig
    from serving.gateway.server import run

    settings = load_settings()
    features = settings.state.features
    reader = None
    if (features / "feature_store.yaml").exists():
        from serving.gateway.features import FeastFeatureReader

        reader = FeastFeatureReader(features)
    config = GatewayConfig(
        model_grpc=model_grpc or f"{settings.serving.host}:{settings.serving.grpc_port}",
        timeout_s=settings.gateway.timeout_s,
        feature_reader=reader,
    )
    run(
        config,
        host or settings.gateway.host,
        settings.gateway.port if port is None else port,
        threads=settings.gateway.threads,
    )


def mlflow(
    port: Annotated[int | None, typer.Option(help="HTTP port.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve MLflow (experiments, registry) over the state directory."""
    from sazon.settings import load_settings
    from serving.registry_server import run

    settings = load_settings()
    home = settings.state
    run(home.mlflow_db, home.mlflow_artifacts, host, settings.mlflow.port if port is None else port)
