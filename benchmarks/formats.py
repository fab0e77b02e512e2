"""What the number format of an export costs in quality: `python -m benchmarks.formats [models:/taste@champion | DIR]`.

Accuracy and macro-F1 of each format on the same texts, and how far its probabilities are from float32. *All* are the
texts of the other rows together: among 500 texts, one is a fifth of a point. All data are synthetic.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from sazon.quiet import quiet_libraries

quiet_libraries()

from benchmarks.quality import Rows, class_numbers  # noqa: E402
from benchmarks.report import describe_machine, keep, run_script, table  # noqa: E402
from models.bert.precision import Served  # noqa: E402
from models.evaluation.metrics import macro_f1, multilabel_macro_f1  # noqa: E402
from models.export.interchange import write_format  # noqa: E402
from models.export.saved_model import Predictions, SavedTasteModel  # noqa: E402
from sazon.registry import Registry  # noqa: E402
from sazon.schema import SENTIMENTS, TASTES  # noqa: E402
from sazon.settings import load_settings  # noqa: E402

_FORMATS: tuple[Served, ...] = ("float32", "bfloat16", "int8")


def checkpoint_of(model: str) -> Path:
    """A directory as it is, or the checkpoint of a registered version."""
    if not model.startswith("models:"):
        return Path(model)
    registry = Registry(load_settings().tracking_uri)
    return registry.download_checkpoint(registry.resolve(model))


def predictions(checkpoint: Path, tests: dict[str, list[str]]) -> dict[str, dict[str, Predictions]]:
    """By format and test set."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in _FORMATS:
            write_format(checkpoint, Path(folder) / name, "savedmodel", name)
            model = SavedTasteModel(Path(folder) / name)
            found[name] = {test: model.predict(texts) for test, texts in tests.items()}
    return found


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="models:/taste@champion")
    rows = Rows.read()
    tests = {**rows.tests, "eval": rows.held_out}
    tests["all"] = pd.concat(tests.values(), ignore_index=True)
    found = predictions(checkpoint_of(parser.parse_args().model), {n: list(part["text"]) for n, part in tests.items()})
    figures = []
    for test, part in tests.items():
        sentiment = class_numbers(part["sentiment"])
        tastes = np.array([[name in labels for name in TASTES] for labels in part["tastes"]])
        for name in _FORMATS:
            own, exact = found[name][test], found["float32"][test]
            figures.append(
                {
                    "test": test,
                    "format": name,
                    "accuracy": float(np.mean(class_numbers(own.sentiment) == sentiment)),
                    "sentiment": macro_f1(sentiment, class_numbers(own.sentiment), len(SENTIMENTS)),
                    "tastes": multilabel_macro_f1(tastes, own.taste_matrix),
                    "agree": float(
                        np.mean([one == other for one, other in zip(own.sentiment, exact.sentiment, strict=True)])
                    ),
                    "largest": float(np.abs(own.sentiment_probs - exact.sentiment_probs).max()),
                }
            )
    body = [
        [
            f"{row['test']} · {row['format']}",
            *(f"{row[key]:.4f}" for key in ("accuracy", "sentiment", "tastes", "agree", "largest")),
        ]
        for row in figures
    ]
    head = [
        "texts · format",
        "accuracy sentiment",
        "macro-F1 sentiment",
        "macro-F1 tastes",
        "same sentiment as float32",
        "largest difference",
    ]
    text = (
        f"# Quality by number format\n\n{table(head, body)}\n\n`python -m benchmarks.formats`. All data are synthetic."
    )
    print(text)
    keep("formats", text, {"machine": describe_machine("tensorflow-cpu"), "figures": figures})


if __name__ == "__main__":
    run_script(main)
