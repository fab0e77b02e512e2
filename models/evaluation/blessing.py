"""The verdict on a candidate: clearly better than guessing, and not much worse than the better baseline."""

from dataclasses import dataclass
from typing import Any

from sazon.settings import GateSettings


@dataclass(frozen=True)
class Verdict:
    """Whether a version may be rolled out, and why, in words for people."""

    blessed: bool
    reason: str


def judge(
    candidate: dict[str, Any],
    baselines: dict[str, dict[str, Any]],
    gates: GateSettings,
    comparisons: dict[str, dict[str, Any]],
) -> Verdict:
    """Compares sentiment macro-F1 on the same test rows.

    Args:
        candidate: the candidate's report as a dict.
        baselines: reports by name.
        gates: the margins.
        comparisons: the candidate's paired tests as dicts, against each baseline and, if there is one, `champion`.

    Returns:
        Blessed only if the low end of the candidate's 95% interval lies above the majority class' macro-F1 by the
        margin, and its value is not below the better baseline's by more than the allowed gap. The tests are told, not
        asked for: a small test split could not show a small gain.
    """
    own = candidate["sentiment"]["macro_f1"]
    majority = candidate["sentiment"]["majority_macro_f1"]
    shown = f"macro-F1 {own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]"
    if own["low"] < majority + gates.above_majority:
        return Verdict(
            False,
            f"{shown}: its low end is not {gates.above_majority:.2f} above the majority class ({majority:.3f})",
        )
    scores = {name: report["sentiment"]["macro_f1"]["value"] for name, report in baselines.items()}
    name = best_baseline(baselines)
    gap = scores[name] - own["value"]
    side = f"{_side(-gap)} {name} ({scores[name]:.3f}, {_chance(comparisons[name])})"
    if gap > gates.below_baseline:
        return Verdict(False, f"{shown}: {side}, more than the allowed {gates.below_baseline:.2f}")
    reason = f"{shown}: above the majority class ({majority:.3f}), {side}, allowed gap {gates.below_baseline:.2f}"
    if champion := comparisons.get("champion"):
        reason += f"; {_side(champion['difference']['value'])} the champion ({_chance(champion)})"
    return Verdict(True, reason)


def best_baseline(baselines: dict[str, dict[str, Any]]) -> str:
    """The name of the baseline of highest sentiment macro-F1."""
    return max(baselines, key=lambda name: baselines[name]["sentiment"]["macro_f1"]["value"])


def _side(difference: float) -> str:
    return f"{abs(difference):.3f} {'below' if difference < 0 else 'above'}"


def _chance(comparison: dict[str, Any]) -> str:
    p_value = comparison["p_value"]
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
