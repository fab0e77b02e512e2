"""The body of `POST /api/v1/predict` and of `POST /api/v1/explain`, checked."""

from dataclasses import dataclass
from typing import Any, Final

from sazon.schema import MAX_TEXT_CHARS, REGIONS
from serving.gateway.errors import ApiError

MAX_TEXTS: Final = 1000
MAX_EXPLAINED_TEXTS: Final = 32
"""An explanation costs as much as some fifty predictions."""
MAX_PRODUCT_CHARS: Final = 200

_FIELDS: Final = ("text", "texts", "product", "region")


@dataclass(frozen=True)
class Question:
    """What a client wants to know."""

    texts: tuple[str, ...]
    product: str | None = None
    region: str | None = None


def parse_question(document: Any, max_texts: int = MAX_TEXTS) -> Question:
    """Checks the JSON document of a request.

    >>> parse_question({"text": "Riquísimo", "region": "Lima"})
    Question(texts=('Riquísimo',), product=None, region='Lima')

    Raises:
        ApiError: 400, naming the field and what is wrong with it.
    """
    if not isinstance(document, dict):
        raise _invalid('the body must be a JSON object such as {"text": "…"}')
    for name in document:
        if name not in _FIELDS:
            shown = name[:50].encode("utf-8", "replace").decode()
            raise _invalid(f'unknown field "{shown}" (known: {", ".join(_FIELDS)})')
    if ("text" in document) == ("texts" in document):
        raise _invalid('give either "text" or "texts"')
    texts = (_text(document["text"], "text"),) if "text" in document else _texts(document["texts"], max_texts)
    return Question(texts, _product(document.get("product")), _region(document.get("region")))


def _texts(values: Any, max_texts: int) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise _invalid("texts: must be a list with at least one text")
    if len(values) > max_texts:
        raise _invalid(f"texts: {len(values)} texts are too many; at most {max_texts} in one request")
    return tuple(_text(value, f"texts[{place}]") for place, value in enumerate(values))


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{field}: must be a string")
    if not value.strip():
        raise ApiError(400, "empty_text", f"{field}: is empty")
    if len(value) > MAX_TEXT_CHARS:
        message = f"{field}: {len(value)} characters are too many; at most {MAX_TEXT_CHARS}"
        raise ApiError(400, "text_too_long", message)
    if not _is_unicode(value):
        raise _invalid(f"{field}: holds half of a surrogate pair, which is no character")
    return value


def _product(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_PRODUCT_CHARS or not _is_unicode(value):
        raise _invalid(f"product: must be a name of 1 to {MAX_PRODUCT_CHARS} characters")
    return value.strip()


def _region(value: Any) -> str | None:
    if value is not None and value not in REGIONS:
        raise ApiError(400, "unknown_region", f"region: must be one of {', '.join(REGIONS)}")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(message: str) -> ApiError:
    return ApiError(400, "invalid_request", message)
