"""The verdict on a candidate: clearly better than guessing, and not much worse than the better baseline."""

from dataclasses import dataclass
from typing import Any

from sazon.settings import GateSettings


@dataclass(frozen=True)
class Verdict:
    """Whether a version may be rolled out, and why, in words for people."""

    blessed: bool
    reason: str


def judge(candidate: dict[str, Any], baselines: dict[str, dict[str, Any]], gates: GateSettings) -> Verdict:
    """Compares sentiment macro-F1 on the same test rows.

    Args:
        candidate: the candidate's report as a dict.
        baselines: reports by name.
        gates: the margins.

    Returns:
        Blessed only if the low end of the candidate's 95% interval lies above the majority class' macro-F1 by the
        margin, and its value is not below the better baseline's by more than the allowed gap.
    """
    own = candidate["sentiment"]["macro_f1"]
    majority = candidate["sentiment"]["majority_macro_f1"]
    best_name, best = max(
        ((name, report["sentiment"]["macro_f1"]["value"]) for name, report in baselines.items()),
        key=lambda pair: pair[1],
    )
    shown = f"macro-F1 {own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]"
    if own["low"] < majority + gates.above_majority:
        return Verdict(
            False,
            f"{shown}: its low end is not {gates.above_majority:.2f} above the majority class ({majority:.3f})",
        )
    gap = best - own["value"]
    if gap > gates.below_baseline:
        return Verdict(
            False,
            f"{shown}: {gap:.3f} below {best_name} ({best:.3f}), more than the allowed {gates.below_baseline:.2f}",
        )
    side = f"{gap:.3f} below" if gap > 0 else f"{-gap:.3f} above"
    return Verdict(
        True,
        f"{shown}: above the majority class ({majority:.3f}), {side} {best_name} ({best:.3f}; "
        f"allowed gap {gates.below_baseline:.2f})",
    )
