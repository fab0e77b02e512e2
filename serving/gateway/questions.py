"""The body of `POST /api/v1/predict` and of `POST /api/v1/explain`: the one definition of what is valid."""

from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from sazon.schema import MAX_TEXT_CHARS, REGIONS

MAX_TEXTS: Final = 1000
MAX_EXPLAINED_TEXTS: Final = 32
"""An explanation costs as much as some fifty predictions."""
MAX_PRODUCT_CHARS: Final = 200


def _check_text(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("empty_text", "is empty")
    if len(value) > MAX_TEXT_CHARS:
        reason = f"{len(value)} characters are too many; at most {MAX_TEXT_CHARS}"
        raise PydanticCustomError("text_too_long", "{reason}", {"reason": reason})
    return value


def _check_product(value: str) -> str:
    name = value.strip()
    if not name or len(value) > MAX_PRODUCT_CHARS:
        reason = f"must be a name of 1 to {MAX_PRODUCT_CHARS} characters"
        raise PydanticCustomError("invalid_request", "{reason}", {"reason": reason})
    return name


def _check_region(value: str) -> str:
    if value not in REGIONS:
        raise PydanticCustomError("unknown_region", "{reason}", {"reason": f"must be one of {', '.join(REGIONS)}"})
    return value


def _string(**limits: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **limits})


# JSON Schema's white space lacks some of Python's.
_NOT_BLANK: Final = r"[^\s\x1c-\x1f\x85]"
Text = Annotated[str, AfterValidator(_check_text), _string(minLength=1, maxLength=MAX_TEXT_CHARS, pattern=_NOT_BLANK)]
Texts = Annotated[list[Text], FailFast()]
Product = Annotated[
    str, AfterValidator(_check_product), _string(minLength=1, maxLength=MAX_PRODUCT_CHARS, pattern=_NOT_BLANK)
]
Region = Annotated[str, AfterValidator(_check_region), _string(enum=list(REGIONS))]


def drop_default(schema: dict[str, Any]) -> None:
    """For a field that may be left out but has no value then."""
    schema.pop("default", None)


def _one_of_both(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": ["text"]}, {"required": ["texts"]}]


class Question(BaseModel):
    """What a client wants to know: either `text` or `texts`, and of which product in which region."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_one_of_both)

    text: Text = Field("", examples=["¡Qué rico el ceviche!"], json_schema_extra=drop_default)
    texts: Texts = Field([], min_length=1, max_length=MAX_TEXTS, json_schema_extra=drop_default)
    product: Product | None = Field(None, examples=["ceviche"])
    region: Region | None = Field(None, examples=["Lima"])

    @model_validator(mode="after")
    def _either(self) -> Self:
        if ("text" in self.model_fields_set) == ("texts" in self.model_fields_set):
            raise PydanticCustomError("invalid_request", 'give either "text" or "texts"')
        return self

    @property
    def all_texts(self) -> list[str]:
        """The one text or the many."""
        return self.texts or [self.text]


class ExplainedQuestion(Question):
    """As a question, of fewer texts."""

    texts: Texts = Field([], min_length=1, max_length=MAX_EXPLAINED_TEXTS, json_schema_extra=drop_default)
