"""Tables of figures for the terminal."""

from typing import Any


def comparison(reports: dict[str, dict[str, Any]]) -> str:
    """Classifiers side by side on all rows and on each source, each figure with its 95% interval."""
    lines = [f"{'rows':<22}{'model':<16}{'sentiment macro-F1':<24}{'tastes micro-F1':<24}{'tastes macro-F1':<24}"]
    first = next(iter(reports.values()))
    sources = [name for name in first["slices"] if name.startswith("source=") and not name.endswith("=unknown")]
    for place in ["all", *(sources if len(sources) > 1 else [])]:
        for model, report in reports.items():
            line = headline(report) if place == "all" else report["slices"].get(place, {})
            label = f"{place} ({line.get('rows', 0):,})" if model == next(iter(reports)) else ""
            cells = [line.get(name) for name in ("macro_f1", "tastes_micro_f1", "tastes_macro_f1")]
            lines.append(f"{label:<22}{model:<16}" + "".join(f"{_interval(cell):<24}" for cell in cells))
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


def _interval(cell: dict[str, float] | None) -> str:
    return f"{cell['value']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]" if cell else "–"
