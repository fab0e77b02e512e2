"""Which request a REST path means. Paths match as a whole, query string included."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from serving.model_server.statuses import StatusError, invalid_argument

Action = Literal["predict", "classify", "regress", "status", "metadata"]

MAX_VERSION = 2**63 - 1

_CHOICE = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(rf"/v1/models/(?P<name>[^/:]+){_CHOICE}:(?P<action>classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_CHOICE}(?P<metadata>/metadata)?", re.IGNORECASE)


class VersionTooLargeError(ValueError):
    """The version does not fit int64; the protocol answers 400 with an empty body."""


@dataclass(frozen=True)
class ModelTarget:
    """The model that a request names; neither version nor label means the latest one."""

    name: str
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class Route:
    """What to do, and with which model."""

    action: Action
    target: ModelTarget


def is_api_path(path: str) -> bool:
    """Whether the path belongs to the REST API; anything else is a plain 404.

    >>> is_api_path("/V1/models/taste"), is_api_path("/index.html")
    (True, False)
    """
    return path[:4].lower() == "/v1/"


def parse_route(method: str, path: str) -> Route:
    """Reads method and raw path (percent-encoded, with `?query`).

    >>> parse_route("GET", "/v1/models/taste/versions/3/metadata")
    Route(action='metadata', target=ModelTarget(name='taste', version=3, label=None))

    Raises:
        StatusError: no request of the API looks like this.
        VersionTooLargeError: the version does not fit int64.
    """
    if method == "POST" and (match := _POST.fullmatch(path)):
        for action in ("predict", "classify", "regress"):
            if match["action"] == action:
                return Route(action, _target(match))
    if method == "GET" and (match := _GET.fullmatch(path)):
        if match["name"] is None:
            raise invalid_argument("Missing model name in request.")
        return Route("metadata" if match["metadata"] else "status", _target(match))
    raise _malformed(method, path)


def _target(match: re.Match[str]) -> ModelTarget:
    version = int(match["version"]) if match["version"] and len(match["version"]) < 40 else None
    if match["version"] and (version is None or version > MAX_VERSION):
        raise VersionTooLargeError(match["version"][:40])
    label = unquote(match["label"]) if match["label"] else None
    return ModelTarget(unquote(match["name"]), version, label)


def _malformed(method: str, path: str) -> StatusError:
    return invalid_argument(f"Malformed request: {method} {path}")
