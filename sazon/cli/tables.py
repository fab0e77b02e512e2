"""Tables of figures for the terminal."""

from typing import Any


def comparison(reports: dict[str, dict[str, Any]]) -> str:
    """Classifiers side by side on all rows and on each source, each figure with its 95% interval."""
    lines = [f"{'rows':<24}{'model':<16}{'sentiment macro-F1':<24}{'tastes micro-F1':<24}{'tastes macro-F1':<24}"]
    first = next(iter(reports.values()))
    sources = [name for name in first["slices"] if name.startswith("source=") and not name.endswith("=unknown")]
    for place in ["all", *(sources if len(sources) > 1 else [])]:
        for model, report in reports.items():
            line = headline(report) if place == "all" else report["slices"].get(place, {})
            label = f"{place} ({line.get('rows', 0):,})" if model == next(iter(reports)) else ""
            cells = [line.get(name) for name in ("macro_f1", "tastes_micro_f1", "tastes_macro_f1")]
            lines.append(f"{label:<24}{model:<16}" + "".join(f"{_interval(cell):<24}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def headline(report: dict[str, Any]) -> dict[str, Any]:
    """The figures of a report in the form that its slices have."""
    sentiment, tastes = report["sentiment"] or {}, report["tastes"] or {}
    return {
        "rows": sentiment.get("rows", 0),
        "macro_f1": sentiment.get("macro_f1"),
        "tastes_micro_f1": tastes.get("micro_f1"),
        "tastes_macro_f1": tastes.get("macro_f1"),
    }


def details(report: dict[str, Any]) -> str:
    """F1 of each class and taste, calibration, and every slice but the sources, which `comparison` shows."""
    sentiment, tastes = report["sentiment"], report["tastes"]
    lines = []
    for part, figures in (
        ("sentiment", sentiment and sentiment["per_class"]),
        ("tastes", tastes and tastes["per_label"]),
    ):
        if figures:
            shown = (f"{name} {'–' if score is None else f'{score:.3f}'}" for name, score in figures.items())
            lines.append(f"F1 {part}: " + " · ".join(shown))
    if sentiment:
        before = sentiment["unscaled"]
        scaled = f" ({before['error']:.3f} before temperature scaling)" if before else ""
        lines.append(f"calibration error: {sentiment['calibration_error']:.3f}{scaled}")
    slices = {name: line for name, line in report["slices"].items() if not name.startswith("source=")}
    if slices:
        lines += ["", *_slice_lines(slices)]
    return "\n".join(lines)


def paired_test(comparison: dict[str, Any]) -> str:
    """The difference to another model and how likely chance alone makes it."""
    return (
        f"macro-F1 against {comparison['against']}: {_interval(comparison['difference'], sign=True)}, "
        f"p = {comparison['p_value']:.4f} (approximate randomisation, two-sided, {comparison['rows']:,} rows)"
    )


def behaviour(figures: dict[str, Any]) -> str:
    """Pass rates by capability and kind, and figures on the hard texts."""
    cases, hard = figures["cases"], figures["hard"]
    lines = [f"{'behavioural tests':<22}{'passed':>12}"]
    groups = {"all": cases["overall"], **cases["capabilities"]}
    groups |= {f"kind {name}": line for name, line in cases["kinds"].items()}
    for name, line in groups.items():
        lines.append(f"{name:<22}{line['passed']:>5}/{line['cases']:<4}{line['rate']:>6.0%}")
    return "\n".join([*lines, "", *_slice_lines({"hard texts": headline(hard), **hard["slices"]})])


def mistakes(rows: list[dict[str, Any]]) -> str:
    """The surest wrong answers, one a line."""
    if not rows:
        return "no mistake"
    lines = [f"{'labelled':<10}{'predicted':<10}{'sure':>5}  text"]
    for row in rows:
        text = " ".join(row["text"].split())
        shown = text if len(text) <= 90 else text[:89] + "…"
        lines.append(f"{row['labelled']:<10}{row['predicted']:<10}{row['confidence']:>5.2f}  {shown}")
    return "\n".join(lines)


def _slice_lines(slices: dict[str, dict[str, Any]]) -> list[str]:
    width = max(len(name) for name in slices) + 2
    lines = [f"{'slice':<{width}}{'rows':>7}  sentiment macro-F1"]
    for name, line in slices.items():
        lines.append(f"{name:<{width}}{line.get('rows', 0):>7,}  {_interval(line.get('macro_f1'))}")
    return lines


def _interval(cell: dict[str, float] | None, *, sign: bool = False) -> str:
    form = "+.3f" if sign else ".3f"
    return f"{cell['value']:{form}} [{cell['low']:{form}}, {cell['high']:{form}}]" if cell else "–"
