"""Features that depend on the request: computed when they are asked for, from it and from stored ones."""

from typing import Any, Final

import pandas as pd
from feast import FeatureView, Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float32, Float64, UnixTimestamp

ASKED_AT: Final = "asked_at"
OFFERED_PRICE: Final = "offered_price_pen"


def declare_on_demand(latest: FeatureView, market: FeatureView, owner: str) -> list[Any]:
    """`feedback_age` and `price_position`.

    Args:
        latest: the view with `last_feedback_at`.
        market: the view with `price_pen_mean_90d`.
        owner: of both.
    """
    moment = RequestSource(name="moment", schema=[Field(name=ASKED_AT, dtype=UnixTimestamp)], owner=owner)
    offer = RequestSource(name="offer", schema=[Field(name=OFFERED_PRICE, dtype=Float64)], owner=owner)

    @on_demand_feature_view(
        sources=[latest, moment],
        schema=[Field(name="days_since_feedback", dtype=Float32)],
        mode="pandas",
        owner=owner,
        description="days from the last row of feedback to `asked_at`",
    )
    def feedback_age(inputs: pd.DataFrame) -> pd.DataFrame:
        asked = pd.to_datetime(inputs["asked_at"], utc=True)
        last = pd.to_datetime(inputs["last_feedback_at"], utc=True)
        return pd.DataFrame({"days_since_feedback": ((asked - last).dt.total_seconds() / 86_400).astype("float32")})

    @on_demand_feature_view(
        sources=[market, offer],
        schema=[Field(name="price_to_mean_90d", dtype=Float32)],
        mode="pandas",
        owner=owner,
        description="`offered_price_pen` over the mean price of the last 90 days",
    )
    def price_position(inputs: pd.DataFrame) -> pd.DataFrame:
        mean = inputs["price_pen_mean_90d"].astype("float64")
        return pd.DataFrame({"price_to_mean_90d": (inputs["offered_price_pen"] / mean).astype("float32")})

    return [feedback_age, price_position]
