"""Writes both generated tables and the truth about them: `python -m data.generator --rows 6500 --seed 7 --out data`."""

import argparse
import json
from pathlib import Path

from data.generator.feedback import generate_feedback
from data.generator.market import generate_market
from data.generator.shifts import truth


def main() -> None:
    """Parses the command line and writes feedback_generated.csv, market_trends.csv and planted_shifts.json."""
    parser = argparse.ArgumentParser(prog="python -m data.generator", description=__doc__)
    parser.add_argument("--rows", type=int, default=6500, help="rows of feedback")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True, help="folder, made if absent")
    parser.add_argument("--truth-only", action="store_true", help="write planted_shifts.json alone")
    asked = parser.parse_args()
    feedback, market = generate_feedback(asked.rows, asked.seed), generate_market(asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    if not asked.truth_only:
        feedback.to_csv(asked.out / "feedback_generated.csv", index=False)
        market.to_csv(asked.out / "market_trends.csv", index=False)
    content = json.dumps(truth(feedback, market), ensure_ascii=False, indent=2)
    (asked.out / "planted_shifts.json").write_text(content + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
