"""The REST API as an ASGI application."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from typing import Any, Final

from sazon.logging import get_logger
from serving.model_server.bodies import BodyTooLargeError, read_body, unpack
from serving.model_server.descriptions import model_json, statuses_json
from serving.model_server.json_answers import encode_error
from serving.model_server.predictor import Predictor
from serving.model_server.routes import Route, VersionTooLargeError, is_api_path, parse_route
from serving.model_server.statuses import Code, StatusError
from serving.model_server.telemetry import Telemetry
from serving.model_server.versions import Versions

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, bytes, bytes]
"""HTTP status, content type, body."""

METRICS_PATH: Final = "/monitoring/prometheus/metrics"
REQUEST_TIMEOUT_S: Final = 30.0

_JSON: Final = b"application/json"
_NOT_FOUND: Final = (404, b"text/html", b"<html><head><title>404 Not Found</title></head><body>Not Found</body></html>")
_log = get_logger("model_server")


class RestApp:
    """Answers HTTP requests; the model and all JSON of predict requests run on `workers`, off the event loop."""

    def __init__(self, versions: Versions, predictor: Predictor, telemetry: Telemetry, workers: Executor) -> None:
        self._versions, self._predictor = versions, predictor
        self._telemetry, self._workers = telemetry, workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        try:
            body = await read_body(receive)
            status, kind, content = await self._answer(scope, body)
        except BodyTooLargeError as error:
            status, kind, content = 413, _JSON, encode_error(str(error))
        except StatusError as error:
            status, kind, content = error.code.http_status, _JSON, encode_error(error.message)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            content = encode_error("internal error; the server's log has the details")
            status, kind = Code.INTERNAL.http_status, _JSON
        headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        method, path = scope["method"], _full_path(scope)
        if path == METRICS_PATH:
            return 200, b"text/plain", self._telemetry.render().encode()
        if not is_api_path(path):
            return _NOT_FOUND
        headers = dict(scope["headers"])
        if method == "OPTIONS":
            origin = headers.get(b"origin", b"")
            return (200 if b"http://" in origin or b"https://" in origin else 400), _JSON, b""
        try:
            route = parse_route(method, path)
        except VersionTooLargeError:
            return 400, _JSON, b""
        return 200, _JSON, await self._serve(route, body, headers.get(b"content-encoding", b"").lower())

    async def _serve(self, route: Route, body: bytes, encoding: bytes) -> bytes:
        if route.action == "status":
            return statuses_json(self._versions, route.target)
        if route.action == "metadata":
            return model_json(self._versions, route.target)
        if route.action != "predict":
            raise StatusError(Code.UNIMPLEMENTED, f"{route.action} is not implemented by this server; use predict")
        deadline_at = time.monotonic() + REQUEST_TIMEOUT_S
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, self._predict, route, body, encoding, deadline_at)

    def _predict(self, route: Route, body: bytes, encoding: bytes, deadline_at: float) -> bytes:
        return self._predictor.predict_json(unpack(body, encoding), route.target, deadline_at)


def _full_path(scope: Scope) -> str:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
