"""The description of the API, made from what the code checks, and a page that shows it without the internet."""

from functools import cache
from importlib import resources
from typing import Final

from flask import Blueprint, Response, abort, jsonify, render_template
from pydantic import BaseModel, ConfigDict, Field
from spectree import SpecTree

from sazon import __version__
from serving.gateway.languages import Language

_FILES: Final = {"swagger_bundle.js": "text/javascript", "swagger_style.css": "text/css"}
_POLICY: Final = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


class Choices(BaseModel):
    """Query parameters of an answer with labels."""

    lang: Language | None = Field(None, description="of the labels; else as Accept-Language, else the schema's own")


class Wishes(BaseModel):
    """Headers that a client may send."""

    model_config = ConfigDict(populate_by_name=True)

    key: str | None = Field(
        None, alias="X-Request-Key", description="requests of the same key are answered by the same version"
    )
    timeout_ms: int | None = Field(
        None, alias="X-Timeout-Ms", ge=1, description="milliseconds to wait, at most the gateway's own limit"
    )


def make_spec() -> SpecTree:
    """A description without routes; the routes add themselves."""
    return SpecTree("flask", title="Sazón", version=__version__, annotations=False, mode="strict", path="openapi.json")


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
