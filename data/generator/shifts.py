"""Planted shifts: what changes in the feedback, where and from when, and what does not.

A shift works on what the writers say: it changes the chance that a taste is mentioned, denied, or that the writer is
displeased. No label is ever edited for it, so that a detector meets it as it would meet a real one.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pandas as pd

from sazon.schema import TASTE_SEPARATOR

Effect = Literal["taste", "negative", "positive"]


@dataclass(frozen=True)
class Shift:
    """A change of the share of rows that carry a label.

    Attributes:
        name: for reports.
        effect: which share changes: of rows with `taste`, or of rows of a sentiment.
        product, region: where; None is everywhere.
        starts_on: first day of the change, ISO, UTC.
        factor: what the chance of saying it is multiplied by; 1 in a control.
        taste: for the effect `taste`.
        denied: added chance that the quality is denied, as a complaint.
    """

    name: str
    effect: Effect
    product: str | None
    region: str | None
    starts_on: str
    factor: float
    taste: str | None = None
    denied: float = 0.0

    def covers(self, product: str, region: str) -> bool:
        """Whether it speaks of this product in this region."""
        return self.product in (None, product) and self.region in (None, region)

    def is_on(self, at: datetime) -> bool:
        """Whether it has begun."""
        return at >= datetime.fromisoformat(self.starts_on).replace(tzinfo=UTC)


SHIFTS: Final = (
    Shift("picante_up_arequipa", "taste", None, "Arequipa", "2025-06-15", 2.2, "picante"),
    Shift("dulce_down_inca_kola", "taste", "Inca Kola", None, "2025-03-01", 0.25, "dulce"),
    Shift("crocante_down_chifles_piura", "taste", "chifles", "Piura", "2025-04-15", 0.2, "crocante", denied=0.5),
    Shift("negative_up_pollo_lima", "negative", "pollo a la brasa", "Lima", "2025-05-01", 1.9),
    Shift("grasoso_up_salchipapa", "taste", "salchipapa", None, "2025-02-01", 2.4, "grasoso"),
    Shift("fresco_up_ceviche", "taste", "ceviche", None, "2025-07-01", 1.8, "fresco"),
    Shift("salado_up_papas_fritas", "taste", "papas fritas", None, "2025-05-15", 2.4, "salado"),
    Shift("positive_up_juane_loreto", "positive", "juane", "Loreto", "2025-04-01", 1.7),
    Shift("amargo_up_cafe", "taste", "café", None, "2025-07-15", 1.7, "amargo"),
    Shift("cremoso_down_arroz_con_leche", "taste", "arroz con leche", None, "2025-04-01", 0.25, "cremoso"),
)

CONTROLS: Final = (
    Shift("control_picante_la_libertad", "taste", None, "La Libertad", "2025-06-15", 1.0, "picante"),
    Shift("control_salado_anticuchos", "taste", "anticuchos", None, "2025-05-15", 1.0, "salado"),
    Shift("control_dulce_picarones", "taste", "picarones", None, "2025-03-01", 1.0, "dulce"),
    Shift("control_negative_lomo_lima", "negative", "lomo saltado", "Lima", "2025-05-01", 1.0),
)


def active_shifts(product: str, region: str, at: datetime) -> list[Shift]:
    """The shifts that bear on a row."""
    return [shift for shift in SHIFTS if shift.covers(product, region) and shift.is_on(at)]


def realised(shift: Shift, feedback: pd.DataFrame) -> dict[str, float | int]:
    """Counts a shift in generated rows: rows and share of its label before and from its first day."""
    rows = feedback
    if shift.product:
        rows = rows[rows["product"] == shift.product]
    if shift.region:
        rows = rows[rows["region"] == shift.region]
    if shift.effect == "taste":
        has = rows["tastes"].map(lambda cell: shift.taste in cell.split(TASTE_SEPARATOR))
    else:
        has = rows["sentiment"] == shift.effect
    after = pd.to_datetime(rows["created_at"], utc=True) >= pd.Timestamp(shift.starts_on, tz="UTC")
    return {
        "rows_before": int((~after).sum()),
        "rows_after": int(after.sum()),
        "share_before": round(float(has[~after].mean()), 4) if (~after).any() else 0.0,
        "share_after": round(float(has[after].mean()), 4) if after.any() else 0.0,
    }


def truth(feedback: pd.DataFrame, market: pd.DataFrame) -> dict[str, Any]:
    """What was planted in both tables, with what came of it; the content of `data/planted_shifts.json`.

    Args:
        feedback: as from `generate_feedback`; its `attrs` hold the seed and the counts of noisy rows.
        market: as from `generate_market`; its `attrs` hold the planted market events and controls.
    """
    return {
        "seed": feedback.attrs.get("seed"),
        "rows": len(feedback),
        "label_noise": feedback.attrs.get("label_noise"),
        "shifts": [asdict(shift) | realised(shift, feedback) for shift in SHIFTS],
        "controls": [asdict(shift) | realised(shift, feedback) for shift in CONTROLS],
        "market_rows": len(market),
        "market_events": market.attrs.get("events", []),
        "market_controls": market.attrs.get("controls", []),
    }
