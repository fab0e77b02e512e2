"""The description of the API, made from what the code checks, and a page that shows it without the internet."""

from functools import cache
from importlib import resources
from typing import Final

from flask import Blueprint, Response, abort, jsonify, render_template
from pydantic import BaseModel, Field
from spectree import SpecTree

from sazon import __version__
from serving.gateway.answers import Failure
from serving.gateway.deadlines import MAX_TIMEOUT_MS, TIMEOUT_HEADER
from serving.gateway.languages import Language
from serving.gateway.questions import drop_default
from serving.gateway.routing import KEY_HEADER

_FILES: Final = {"swagger_bundle.js": "text/javascript", "swagger_style.css": "text/css"}
_POLICY: Final = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


class Choices(BaseModel):
    """Query parameters of an answer with labels."""

    lang: Language = Field(
        "es",
        json_schema_extra=drop_default,
        description="of the labels; else as Accept-Language says",
    )


class Wishes(BaseModel):
    """Headers that a client may send."""

    key: str = Field(
        "",
        alias=KEY_HEADER,
        json_schema_extra=drop_default,
        description="requests of the same key are answered by the same version; by default the texts are the key",
    )
    timeout_ms: int = Field(
        0,
        alias=TIMEOUT_HEADER,
        ge=1,
        le=MAX_TIMEOUT_MS,
        json_schema_extra=drop_default,
        description="milliseconds to wait, at most the gateway's own limit",
    )


def make_spec() -> SpecTree:
    """A description without routes; the routes add themselves."""
    return SpecTree(
        "flask",
        title="Sazón",
        version=__version__,
        mode="strict",
        annotations=False,
        # The routes check and answer by themselves; what any of them may answer is that it failed.
        validation_error_status=500,
        validation_error_model=Failure,
        naming_strategy=lambda model: model.__name__,
        nested_naming_strategy=lambda _parent, child: child,
    )


def make_pages(spec: SpecTree) -> Blueprint:
    """`/openapi.json` and `/docs`."""
    pages = Blueprint("openapi_pages", __name__)

    @pages.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(spec.spec)

    @pages.get("/docs")
    def docs() -> Response:
        response = Response(render_template("docs.html"))
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    @pages.get("/docs/<name>")
    def asset(name: str) -> Response:
        if name not in _FILES:
            abort(404)
        response = Response(_read(name), mimetype=_FILES[name])
        response.cache_control.max_age = 3600
        return response

    return pages


@cache
def _read(name: str) -> bytes:
    return (resources.files("offapi") / name).read_bytes()
