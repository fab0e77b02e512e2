"""Starts the gateway as the settings say."""

from sazon.schema import MODEL_NAME
from sazon.settings import Settings
from serving.gateway.config import GatewayConfig
from serving.gateway.late_features import LateFeatureReader


def start(settings: Settings, model_grpc: str | None = None, host: str | None = None, port: int | None = None) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: everything, as read.
        model_grpc: `host:port` of the model server's gRPC; None for that of the settings.
        host: address to listen on; None for that of the settings.
        port: None for that of the settings.

    Raises:
        ServingError: the port is taken.
    """
    workers = settings.gateway.workers
    at_once, queued = (-(-total // workers) for total in (settings.gateway.max_in_flight, settings.gateway.max_queued))

    def make_config() -> GatewayConfig:
        return GatewayConfig(
            model_grpc=model_grpc or f"{settings.serving.host}:{settings.serving.grpc_port}",
            model_name=MODEL_NAME,
            timeout_s=settings.gateway.timeout_s,
            max_in_flight=at_once,
            max_queued=queued,
            feature_reader=LateFeatureReader(settings.state.features),
            features=settings.state.features,
            traffic=settings.gateway.traffic_file or settings.state.traffic,
            inbox=settings.state.inbox,
            recent_texts=settings.gateway.recent_texts,
            recent_texts_file=settings.state.recent_texts,
        )

    chosen_host = host or settings.gateway.host
    chosen_port = settings.gateway.port if port is None else port
    # Imported here: which of both it is decides how the metrics library has to be imported.
    if workers > 1:
        from serving.gateway.workers import run_workers

        run_workers(make_config, chosen_host, chosen_port, workers, at_once)
    else:
        from serving.gateway.server import run

        run(make_config(), chosen_host, chosen_port)
