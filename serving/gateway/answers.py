"""What the API answers; the documentation is made from these."""

from pydantic import BaseModel, Field

from serving.gateway.explanations import Explanation
from serving.gateway.predictions import Prediction


class Predictions(BaseModel):
    """One prediction per text, in order."""

    prediction_id: str = Field(description="names this answer; `sazon lineage` walks back from it")
    model_version: str
    predictions: list[Prediction]
    context: dict[str, float | int | None] = Field(description="online features of the product in the region")


class Explanations(BaseModel):
    """One explanation per text, in order."""

    model_version: str
    explanations: list[Explanation]


class Health(BaseModel):
    """The gateway runs."""

    status: str


class Readiness(BaseModel):
    """The gateway and a model are there."""

    status: str
    model_version: str


class Problem(BaseModel):
    """`code` is for programs, `message` for people."""

    code: str
    message: str


class Failure(BaseModel):
    """Every error."""

    error: Problem
