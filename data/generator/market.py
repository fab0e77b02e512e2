"""The generator of weekly market trends: search interest, sales and prices by product and region."""

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from data.generator.places import POPULATION
from data.generator.products import Product, load_products
from data.generator.timeline import WINDOW_START, season_of
from sazon.schema import MARKET_REQUIRED, REGIONS

WEEKS: Final = 78
_YEARLY_GROWTH = 0.05

PRICES: Final[dict[str, float]] = {
    "ceviche": 32.0, "lomo saltado": 28.0, "pollo a la brasa": 24.0, "arroz chaufa": 16.0, "rocoto relleno": 22.0,
    "juane": 15.0, "trucha": 20.0, "anticuchos": 14.0, "salchipapa": 12.0, "picarones": 8.0, "arroz con leche": 6.0,
    "queso helado": 7.0, "Inca Kola": 4.5, "chicha morada": 5.0, "café": 9.0, "chifles": 5.5, "papas fritas": 6.5,
    "yogur": 8.5,
}  # fmt: skip
"""Products of the table and their price at the start, in soles."""


@dataclass(frozen=True)
class MarketEvent:
    """A planted change of one column from one week on.

    Attributes:
        name: for reports.
        product, region: where; region None is everywhere.
        column: search_index, units_sold or price_pen.
        starts_on: first Monday of the change, ISO.
        factor: what the column is multiplied by at full strength.
        ramp_weeks: weeks until then, linearly.
        weeks: how long it lasts; None is to the end.
        follows: the planted feedback shift it leads or lags, if any.
        lag_weeks: weeks after that shift begins; negative if it leads.
    """

    name: str
    product: str
    region: str | None
    column: str
    starts_on: str
    factor: float
    ramp_weeks: int = 0
    weeks: int | None = None
    follows: str | None = None
    lag_weeks: int | None = None

    def strength(self, weeks: list[date]) -> np.ndarray:
        """The factor in every week. Returns: (weeks,) float64."""
        start = date.fromisoformat(self.starts_on)
        since = np.array([(week - start).days // 7 for week in weeks])
        on = (since >= 0) & (since < (self.weeks if self.weeks is not None else WEEKS))
        ramp = np.clip((since + 1) / (self.ramp_weeks + 1), 0.0, 1.0)
        return np.where(on, 1 + (self.factor - 1) * ramp, 1.0)


EVENTS: Final = (
    MarketEvent("search_leads_picante_arequipa", "rocoto relleno", "Arequipa", "search_index", "2025-05-26", 1.7, 4,
                follows="picante_up_arequipa", lag_weeks=-3),
    MarketEvent("units_lag_picante_arequipa", "rocoto relleno", "Arequipa", "units_sold", "2025-07-07", 1.35, 6,
                follows="picante_up_arequipa", lag_weeks=3),
    MarketEvent("units_lag_chifles_piura", "chifles", "Piura", "units_sold", "2025-05-19", 0.6, 6,
                follows="crocante_down_chifles_piura", lag_weeks=5),
    MarketEvent("search_lag_chifles_piura", "chifles", "Piura", "search_index", "2025-05-05", 0.75, 4,
                follows="crocante_down_chifles_piura", lag_weeks=3),
    MarketEvent("units_lag_pollo_lima", "pollo a la brasa", "Lima", "units_sold", "2025-06-02", 0.75, 8,
                follows="negative_up_pollo_lima", lag_weeks=4),
    MarketEvent("search_leads_inca_kola", "Inca Kola", None, "search_index", "2025-02-03", 1.4, 2,
                follows="dulce_down_inca_kola", lag_weeks=-4),
    MarketEvent("units_lag_juane_loreto", "juane", "Loreto", "units_sold", "2025-04-28", 1.4, 4,
                follows="positive_up_juane_loreto", lag_weeks=4),
    MarketEvent("lemon_shortage", "ceviche", None, "price_pen", "2025-02-10", 1.3, 2, 12),
    MarketEvent("lemon_shortage_sales", "ceviche", None, "units_sold", "2025-02-24", 0.8, 2, 10),
    MarketEvent("coffee_price_rise", "café", None, "price_pen", "2025-01-06", 1.2, 8),
    MarketEvent("yogur_promotion_puno", "yogur", "Puno", "units_sold", "2025-08-04", 1.8, 0, 6),
)  # fmt: skip

MARKET_CONTROLS: Final = (
    ("anticuchos", "Lima"), ("picarones", "Ica"), ("chicha morada", "Ayacucho"), ("lomo saltado", "La Libertad"),
)  # fmt: skip
"""Products and regions where nothing but season, growth and chance is at work."""


def generate_market(seed: int) -> pd.DataFrame:
    """Generates the market table; the same seed gives the same table.

    Returns:
        Columns `schema.MARKET_REQUIRED`: date (Monday, ISO), product, region, search_index (0–100, int), units_sold
        (int), price_pen (soles, 0.1 steps). `attrs` holds the seed, the planted events with what came of them (means
        of the 12 weeks before and of the weeks at full strength) and the controls.
    """
    rng = np.random.default_rng(seed)
    weeks = [WINDOW_START + timedelta(weeks=number) for number in range(WEEKS)]
    products = load_products()
    parts = [_series(products[name], region, weeks, rng) for name in PRICES for region in REGIONS]
    table = pd.concat(parts, ignore_index=True)[list(MARKET_REQUIRED)]
    events = [asdict(event) | _realised(event, table) for event in EVENTS]
    controls = [{"product": product, "region": region} for product, region in MARKET_CONTROLS]
    table.attrs.update(seed=seed, events=events, controls=controls)
    return table


def _series(product: Product, region: str, weeks: list[date], rng: np.random.Generator) -> pd.DataFrame:
    season = np.array([season_of(product.name, week.month) for week in weeks])
    growth = 1 + _YEARLY_GROWTH * np.arange(len(weeks)) / 52
    home = 1.8 if region in product.home else 1.0
    level = rng.uniform(0.9, 1.1)
    drift = np.cumsum(rng.normal(0, 0.006, len(weeks)))
    demand = season**0.7 * growth * np.exp(drift) * level
    price = PRICES[product.name] * rng.uniform(0.9, 1.1) * (1 + 0.03 * np.arange(len(weeks)) / 52)
    scale = POPULATION[region] * product.popularity * home
    columns = {
        "search_index": 27 * home**0.6 * demand * np.exp(rng.normal(0, 0.05, len(weeks))),
        "units_sold": 190 * scale * demand * np.exp(rng.normal(0, 0.06, len(weeks))),
        "price_pen": price * np.exp(rng.normal(0, 0.008, len(weeks))),
    }
    for event in EVENTS:
        if event.product == product.name and event.region in (None, region):
            columns[event.column] = columns[event.column] * event.strength(weeks)
    return pd.DataFrame(
        {
            "date": [week.isoformat() for week in weeks],
            "product": product.name,
            "region": region,
            "search_index": np.clip(np.rint(columns["search_index"]), 0, 100).astype(int),
            "units_sold": np.maximum(1, np.rint(columns["units_sold"])).astype(int),
            "price_pen": np.round(columns["price_pen"], 1),
        }
    )


def _realised(event: MarketEvent, table: pd.DataFrame) -> dict[str, float]:
    rows = table[table["product"] == event.product]
    if event.region:
        rows = rows[rows["region"] == event.region]
    start = date.fromisoformat(event.starts_on)
    full = start + timedelta(weeks=event.ramp_weeks)
    last = start + timedelta(weeks=event.weeks or WEEKS)
    early = (start - timedelta(weeks=12)).isoformat()
    before = rows[(rows["date"] >= early) & (rows["date"] < event.starts_on)]
    after = rows[(rows["date"] >= full.isoformat()) & (rows["date"] < last.isoformat())]
    return {
        "mean_before": round(float(before[event.column].mean()), 2),
        "mean_after": round(float(after[event.column].mean()), 2),
    }
