"""Errors of the gateway's API: always JSON, never a stack trace."""

from collections.abc import Callable

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from sazon.errors import ServingError
from sazon.logging import get_logger

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}

_log = get_logger("gateway")


class ApiError(ServingError):
    """An answer that is an error.

    Attributes:
        status: of HTTP.
        code: for programs.
        message: for people.
        retry_after_s: when asking again may help; None where it will not.
    """

    def __init__(self, status: int, code: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after_s = status, code, message, retry_after_s


def register_error_handlers(app: Flask) -> None:
    """Turns every exception of a request into an error answer."""
    handlers: dict[type[Exception], Callable[..., Response]] = {
        ApiError: _from_api_error,
        HTTPException: _from_http,
        Exception: _from_bug,
    }
    for kind, handler in handlers.items():
        app.register_error_handler(kind, handler)


def _answer(status: int, code: str, message: str) -> Response:
    response = jsonify(error={"code": code, "message": message})
    response.status_code = status
    return response


def _from_api_error(error: ApiError) -> Response:
    response = _answer(error.status, error.code, error.message)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _from_http(error: HTTPException) -> Response:
    status = error.code or 500
    response = _answer(status, _CODES.get(status, "error"), error.description or error.name)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _from_bug(error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return _answer(500, "internal", "The gateway failed on this request; its log has the details.")
