"""From the bytes of a request to a question, or to one clear error."""

from typing import Any, Final, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from serving.gateway.errors import ApiError

_Body = TypeVar("_Body", bound=BaseModel)

_OWN_CODES: Final = ("empty_text", "text_too_long", "unknown_region", "invalid_request")
_SHOWN_CHARS: Final = 50


def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Parses and checks the JSON body.

    Raises:
        ApiError: 415, it is not said to be JSON; 400, it is not, or not such a question: the message names the field.
        RequestEntityTooLarge: it is over the limit.
    """
    if not request.is_json:
        raise ApiError(415, "unsupported_media_type", "send JSON with the header Content-Type: application/json")
    try:
        return kind.model_validate_json(request.get_data())
    except ValidationError as error:
        raise _as_api_error(error.errors(include_url=False, include_input=False)[0], kind) from None


def _as_api_error(error: ErrorDetails, kind: type[BaseModel]) -> ApiError:
    place, reason = _place(error["loc"]), error["msg"]
    match error["type"]:
        case "json_invalid":
            return ApiError(400, "invalid_json", f"the body is not JSON: {error['ctx']['error']}")
        case "extra_forbidden":
            shown = str(error["loc"][-1])[:_SHOWN_CHARS]
            return _invalid(f'unknown field "{shown}" (known: {", ".join(kind.model_fields)})')
        case "model_type":
            return _invalid('the body must be a JSON object such as {"text": "…"}')
        case "string_type":
            return _invalid(f"{place}: must be a string")
        case "list_type" | "too_short":
            return _invalid(f"{place}: must be a list with at least one text")
        case "too_long":
            return _invalid(f"{place}: too many texts; at most {error['ctx']['max_length']} in one request")
        case code if code in _OWN_CODES:
            return ApiError(400, code, f"{place}: {reason}" if place else reason)
    return _invalid(f"{place}: {reason}" if place else reason)


def _place(location: tuple[Any, ...]) -> str:
    """`feedback[3].text` for `("feedback", 3, "text")`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _invalid(message: str) -> ApiError:
    return ApiError(400, "invalid_request", message)
