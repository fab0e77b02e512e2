"""The REST API as an ASGI application."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

from sazon.logging import get_logger
from serving.model_server.bodies import BodyTooLargeError, ClientGoneError, read_body, unpack
from serving.model_server.catalogue import Catalogue
from serving.model_server.descriptions import model_json, statuses_json
from serving.model_server.intake import Intake
from serving.model_server.json_answers import encode_error
from serving.model_server.options import ListenOptions
from serving.model_server.predictor import Predictor
from serving.model_server.routes import Route, VersionTooLargeError, is_api_path, parse_route
from serving.model_server.statuses import Code, StatusError
from serving.model_server.telemetry import Telemetry

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

_JSON: Final = b"application/json"
_NOT_FOUND: Final = b"<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"
_CORS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)
_SLACK_S: Final = 0.1
"""The worker notices most deadlines itself, and knows better what was late."""
_log = get_logger("model_server")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    content: bytes = b""
    kind: bytes = _JSON
    headers: tuple[Header, ...] = ()


class RestApp:
    """Answers HTTP requests; the model and all JSON of its requests run on `workers`, off the event loop."""

    def __init__(
        self,
        catalogue: Catalogue,
        predictor: Predictor,
        telemetry: Telemetry,
        workers: Executor,
        intake: Intake,
        options: ListenOptions,
    ) -> None:
        self._catalogue, self._predictor, self._telemetry = catalogue, predictor, telemetry
        self._workers, self._intake, self._options = workers, intake, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        try:
            body = await read_body(receive)
            answer = await self._answer(scope, body)
        except ClientGoneError:
            return
        except BodyTooLargeError as error:
            answer = Answer(413, encode_error(str(error)))
        except StatusError as error:
            answer = Answer(error.code.http_status, encode_error(error.message))
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            content = encode_error("internal error; the server's log has the details")
            answer = Answer(Code.INTERNAL.http_status, content)
        await send({"type": "http.response.start", "status": answer.status, "headers": self._headers(answer)})
        await send({"type": "http.response.body", "body": answer.content})

    def _headers(self, answer: Answer) -> list[Header]:
        headers = [(b"content-type", answer.kind), (b"content-length", str(len(answer.content)).encode())]
        headers += answer.headers
        if self._intake.closed:
            headers.append((b"connection", b"close"))
        return headers

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        method, path = scope["method"], _full_path(scope)
        if path == self._options.metrics_path:
            return Answer(200, self._telemetry.render().encode(), b"text/plain")
        if not is_api_path(path):
            return Answer(404, _NOT_FOUND, b"text/html")
        headers = dict(scope["headers"])
        if method == "OPTIONS":
            origin = headers.get(b"origin", b"")
            if b"http://" not in origin and b"https://" not in origin:
                return Answer(400)
            return Answer(200, headers=_CORS if self._options.cors else ())
        try:
            route = parse_route(method, path)
        except VersionTooLargeError:
            return Answer(400)
        with self._intake.admit():
            content = await self._serve(route, body, headers.get(b"content-encoding", b"").lower())
        return Answer(200, content, headers=_CORS if self._options.cors else ())

    async def _serve(self, route: Route, body: bytes, encoding: bytes) -> bytes:
        if route.action == "status":
            return statuses_json(self._catalogue, route.target)
        if route.action == "metadata":
            return model_json(self._catalogue, route.target)
        timeout_s = self._options.rest_timeout_s
        deadline_at = time.monotonic() + timeout_s
        loop = asyncio.get_running_loop()
        answering = loop.run_in_executor(self._workers, self._run, route, body, encoding, deadline_at)
        try:
            return await asyncio.wait_for(answering, timeout_s + _SLACK_S)
        except TimeoutError:
            raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification") from None

    def _run(self, route: Route, body: bytes, encoding: bytes, deadline_at: float) -> bytes:
        return self._predictor.answer_json(route, unpack(body, encoding), deadline_at)


def _full_path(scope: Scope) -> str:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
