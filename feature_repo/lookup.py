"""What the online store says of one product in one region."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

from feature_repo.definitions import INSIGHT_SERVICE
from feature_repo.on_demand import ASKED_AT, OFFERED_PRICE


def look_up(folder: Path, product: str, region: str, price: float | None, now: datetime) -> dict[str, Any]:
    """Everything that is known.

    Args:
        folder: of the store.
        product: its name.
        region: its name.
        price: in soles, for the features that compare it.
        now: the moment of asking.

    Returns:
        By `<view>__<feature>`, fit for JSON; None where nothing is known or what is known is too old.
    """
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(folder))
    asked = {"product": product, "region": region, ASKED_AT: now, OFFERED_PRICE: math.nan if price is None else price}
    service = store.get_feature_service(INSIGHT_SERVICE)
    answer = store.get_online_features(service, [asked], full_feature_names=True).to_dict()
    return {name: _plain(values[0]) for name, values in sorted(answer.items()) if "__" in name}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.isoformat() if isinstance(value, datetime) else value
