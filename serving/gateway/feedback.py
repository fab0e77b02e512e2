"""`POST /api/v1/feedback`: rows of feedback into the inbox, from where an ingest takes them."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from flask import Blueprint, Response, request
from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from spectree import Response as Answers
from spectree import SpecTree

from data.ingest.inbox import Inbox, Taken
from sazon.logging import get_logger
from sazon.schema import CHANNELS, SENTIMENTS, TASTE_SEPARATOR, TASTES
from serving.gateway.admission import Admission
from serving.gateway.answers import Failure
from serving.gateway.bodies import read_body
from serving.gateway.errors import ApiError
from serving.gateway.questions import MAX_PRODUCT_CHARS, Product, Region, Text, drop_default

MAX_ROWS: Final = 1000

_PROBLEMS = dict.fromkeys(("HTTP_400", "HTTP_413", "HTTP_415", "HTTP_429", "HTTP_500", "HTTP_503"), Failure)
_RETRY_AFTER_S: Final = 5

_log = get_logger("gateway")


def _check_time(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None or not 1900 <= moment.year <= 2099:
            raise ValueError
        return moment.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        reason = "must be a time with a zone in ISO-8601, such as 2025-07-28T13:05:00Z"
        raise PydanticCustomError("invalid_request", "{reason}", {"reason": reason}) from None


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in allowed:
            raise PydanticCustomError("invalid_request", "{reason}", {"reason": f"must be one of {', '.join(allowed)}"})
        return value

    return check


def _listed(allowed: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(allowed)})


_ID: Final = r"^[^\s@\x00-\x1f\x7f]+$"
Time = Annotated[str, AfterValidator(_check_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Channel = Annotated[str, AfterValidator(_one_of(CHANNELS)), _listed(CHANNELS)]
Sentiment = Annotated[str, AfterValidator(_one_of(SENTIMENTS)), _listed(SENTIMENTS)]
Taste = Annotated[str, AfterValidator(_one_of(TASTES)), _listed(TASTES)]


class FeedbackRow(BaseModel):
    """What one consumer wrote."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feedback_id: str = Field(min_length=1, max_length=200, pattern=_ID, description="sent again, it changes nothing")
    created_at: Time = Field("", json_schema_extra=drop_default, description="when it was written; by default now")
    text: Text
    product: Product
    category: str = Field(min_length=1, max_length=MAX_PRODUCT_CHARS, pattern=r"\S")
    region: Region
    channel: Channel
    rating: int | None = Field(None, ge=1, le=5, strict=True)
    sentiment: Sentiment | None = None
    tastes: list[Taste] | None = Field(None, max_length=len(TASTES))

    def as_cells(self, now: datetime) -> dict[str, str]:
        """The row as the text cells of a file."""
        cells = {
            name: "" if value is None else str(value) for name, value in self.model_dump(exclude={"tastes"}).items()
        }
        cells["created_at"] = self.created_at or now.isoformat(timespec="seconds")
        return {**cells, "tastes": TASTE_SEPARATOR.join(self.tastes or ())}


class Delivery(BaseModel):
    """Rows of feedback."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feedback: Annotated[list[FeedbackRow], FailFast()] = Field(min_length=1, max_length=MAX_ROWS)


class Receipt(BaseModel):
    """The rows are on disk."""

    accepted: int
    duplicates: int = Field(description="rows whose feedback_id came before; they changed nothing")


def make_feedback(spec: SpecTree, inbox: Inbox, admission: Admission) -> Blueprint:
    """The route over one inbox, described in `spec`."""
    routes = Blueprint("feedback", __name__)

    @routes.post("/api/v1/feedback")
    @spec.validate(
        json=Delivery,
        resp=Answers(HTTP_200=Receipt, **_PROBLEMS),
        skip_validation=True,
        operation_id="feedback",
    )
    def feedback() -> Response:
        """Takes rows of feedback: on disk, without personal data, before this answers."""
        with admission.enter():
            delivery, now = read_body(request, Delivery), datetime.now(UTC)
            taken = _put(inbox, [row.as_cells(now) for row in delivery.feedback])
            receipt = Receipt(accepted=taken.accepted, duplicates=taken.duplicates)
            return Response(receipt.model_dump_json(), mimetype="application/json")

    return routes


def _put(inbox: Inbox, rows: list[dict[str, str]]) -> Taken:
    try:
        return inbox.put(rows)
    except sqlite3.OperationalError as error:
        _log.error("feedback could not be written: %s", error)
        raise ApiError(503, "store_unavailable", "nothing was taken; try again", _RETRY_AFTER_S) from None
