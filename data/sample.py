"""The shipped sample: generated feedback, the texts written one by one, market trends, and the planted shifts."""

import json
import random
from pathlib import Path

import pandas as pd

from data.catalogue import CATEGORY_OF
from data.generator.feedback import generate_feedback
from data.generator.market import generate_market
from data.generator.shifts import truth
from data.generator.timeline import TEST_FROM, WINDOW_END, WINDOW_START, draw_moment
from sazon.home import write_atomically
from sazon.schema import FEEDBACK_OPTIONAL, FEEDBACK_REQUIRED

_WRITTEN = Path(__file__).with_name("written")
_WRITTEN_EVAL_ROWS = 150


def written_feedback(seed: int) -> pd.DataFrame:
    """The texts written one by one, with their resolved labels.

    Their moments are drawn: before the test window for training and validation, inside it for the test.

    Returns:
        1,500 rows: 850 train, 150 eval, 500 test; columns as in the shipped file.
    """
    train, test = (
        pd.read_csv(_WRITTEN / f"{name}.csv", dtype=str, keep_default_na=False) for name in ("train", "test")
    )
    train["split"] = ["eval" if index < _WRITTEN_EVAL_ROWS else "train" for index in range(len(train))]
    rows = pd.concat([train, test.assign(split="test")], ignore_index=True)
    rng = random.Random(seed)
    last_before_test = (pd.Timestamp(TEST_FROM) - pd.Timedelta(days=1)).date()
    spans = {"test": (TEST_FROM, WINDOW_END)}
    moments = [draw_moment(rng, *spans.get(split, (WINDOW_START, last_before_test))) for split in rows["split"]]
    rows["created_at"] = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments]
    rows["feedback_id"] = [f"w-{number:06d}" for number in range(1, len(rows) + 1)]
    rows["category"] = rows["product"].map(CATEGORY_OF)
    return rows.assign(source="written", family="")[[*FEEDBACK_REQUIRED, *FEEDBACK_OPTIONAL]]


def write_sample(folder: Path, rows: int, seed: int) -> dict[Path, int]:
    """Writes feedback.csv, market_trends.csv and planted_shifts.json, each whole or not at all.

    Args:
        folder: made if missing.
        rows: generated rows, beside the written ones.
        seed: same seed, same bytes.

    Returns:
        Rows by file, and the number of planted shifts for the last one.
    """
    generated, market = generate_feedback(rows, seed), generate_market(seed)
    feedback = pd.concat([generated, written_feedback(seed)], ignore_index=True).sort_values(
        ["created_at", "feedback_id"], kind="stable"
    )
    shifts = truth(generated, market)
    contents = {
        "feedback.csv": (feedback.to_csv(index=False, lineterminator="\n"), len(feedback)),
        "market_trends.csv": (market.to_csv(index=False, lineterminator="\n"), len(market)),
        "planted_shifts.json": (json.dumps(shifts, ensure_ascii=False, indent=2) + "\n", len(shifts["shifts"])),
    }
    for name, (content, _) in contents.items():
        write_atomically(folder / name, content)
    return {folder / name: count for name, (_, count) in contents.items()}
