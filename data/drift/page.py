"""A comparison as one HTML file: no script, no outside resource, every plot also in words."""

import base64
import io
from html import escape
from typing import Final

from data.drift.comparison import Comparison, Finding

_MOST_LEVELS: Final = 12
_YES_NO: Final = {"True": "yes", "False": "no"}
_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 60rem;
  margin: 0 auto; padding: 1rem }
table { border-collapse: collapse; width: 100% } caption { text-align: left; padding: .5rem 0 }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc }
td.figure { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto } img { max-width: 100%; height: auto } figure { margin: 1rem 0 }
.notice { border-left: .3rem solid #b45309; background: #fff7ed; padding: .5rem 1rem }
.drift { font-weight: bold; color: #9f1239 }
"""


def render_page(comparison: Comparison, names: tuple[str, str]) -> str:
    """The whole page.

    Args:
        comparison: what to show.
        names: of the training and the live window, as the reader knows them.
    """
    drifted = comparison.drifted
    verdict = f"Drift in {len(drifted)} of {len(comparison.findings)} tests" if drifted else "No drift"
    shown = [one for one in (*drifted, *(one for one in comparison.findings if not one.drifted)) if one.levels]
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{verdict} – Sazón</title><style>{_STYLE}</style></head>
<body><main>
<h1>{verdict}</h1>
<p>Training window: {escape(names[0])}, {comparison.reference_rows:,} rows.
Live window: {escape(names[1])}, {comparison.live_rows:,} rows.</p>
{_synthetic(comparison)}
<h2>Tests</h2>
<div class="scroll" role="region" aria-label="Tests" tabindex="0">{_table(comparison)}</div>
{_skipped(comparison)}
<h2>Distributions</h2>
{"".join(_figure(one) for one in shown)}
</main></body></html>
"""


def _synthetic(comparison: Comparison) -> str:
    if not comparison.synthetic_rows:
        return ""
    total = comparison.reference_rows + comparison.live_rows
    return (
        f'<p class="notice" role="note"><strong>Synthetic data.</strong> {comparison.synthetic_rows:,} of {total:,} '
        "rows were generated or written to order: they say nothing about real people, products or regions.</p>"
    )


def _table(comparison: Comparison) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("Measure", "Test; effect", "Training rows", "Live rows", "p", "p, Holm", "Effect", "Verdict")
    )
    rows = "".join(_row(one) for one in comparison.findings)
    return (
        f"<table><caption>A test breaches when its adjusted p is at most {comparison.alpha:.2g} and its effect (0 the "
        f"same, 1 nothing in common) at least {comparison.min_effect:g}.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(one: Finding) -> str:
    verdict = '<td class="drift">drift</td>' if one.drifted else "<td>no drift</td>"
    figures = (f"{one.reference_rows:,}", f"{one.live_rows:,}", f"{one.p_value:.2g}", f"{one.adjusted_p:.2g}")
    cells = "".join(f'<td class="figure">{cell}</td>' for cell in (*figures, f"{one.effect:.3f}"))
    return f'<tr><th scope="row">{escape(one.name)}</th><td>{escape(one.method)}</td>{cells}{verdict}</tr>'


def _skipped(comparison: Comparison) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in comparison.skipped)
    return f"<h2>Not tested</h2><ul>{items}</ul>" if items else ""


def _figure(one: Finding) -> str:
    said = describe_change(one)
    caption = f"{escape(one.name)}{': drift' if one.drifted else ''}"
    return (
        f'<figure><img src="{_plot(one)}" alt="{escape(f"{one.name}. {said}")}">'
        f"<figcaption>{caption}. {escape(said)}</figcaption></figure>"
    )


def describe_change(one: Finding) -> str:
    """The level whose share changed most, in words."""
    if not one.levels:
        return f"Means of the embeddings are {one.effect:.3f} apart"
    if isinstance(one.levels[0], bool):
        subject = f' of texts with "{one.subject}"' if one.subject else ""
        return f"Share{subject} from {one.reference_shares[1]:.1%} to {one.live_shares[1]:.1%}"
    if isinstance(one.levels[0], int | float):
        before, after = (
            sum(float(level) * share for level, share in zip(one.levels, shares, strict=True))
            for shares in (one.reference_shares, one.live_shares)
        )
        return f"Mean from {before:.3g} to {after:.3g}"
    place = max(range(len(one.levels)), key=lambda at: abs(one.live_shares[at] - one.reference_shares[at]))
    return (
        f"Largest change: {one.levels[place]}, from {one.reference_shares[place]:.1%} to {one.live_shares[place]:.1%}"
    )


def _plot(one: Finding) -> str:
    """A data URI: both windows as bars, or as cumulative shares where levels have an order."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    both = (("training", one.reference_shares, "#1d4ed8", "/"), ("live", one.live_shares, "#c2410c", ""))
    if isinstance(one.levels[0], int | float) and not isinstance(one.levels[0], bool):
        for (name, shares, colour, _), line in zip(both, ("-", "--"), strict=True):
            total = [sum(shares[: place + 1]) for place in range(len(shares))]
            axes.step(one.levels, total, line, where="post", label=name, color=colour)
        axes.set_ylabel("share up to here")
    else:
        biggest = sorted(range(len(one.levels)), key=lambda at: -max(one.reference_shares[at], one.live_shares[at]))
        shown = sorted(biggest[:_MOST_LEVELS])
        for side, (name, shares, colour, hatch) in enumerate(both):
            places = [place + 0.4 * side for place in range(len(shown))]
            axes.bar(
                places, [shares[at] for at in shown], 0.4, label=name, color=colour, hatch=hatch, edgecolor="white"
            )
        labels = [_YES_NO.get(str(one.levels[at]), str(one.levels[at])) for at in shown]
        axes.set_xticks([place + 0.2 for place in range(len(shown))], labels, rotation=30, ha="right")
        axes.set_ylabel("share of rows")
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()
