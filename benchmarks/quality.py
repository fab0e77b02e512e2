"""How good the model is: macro-F1 of sentiment against TF-IDF, by rows of training data and by what it starts from.

    python -m benchmarks.quality                      # the shipped sample: 100, 300, 1,000 and all rows
    python -m benchmarks.quality --presets small,tiny --sizes 300 --seeds 1
    python -m benchmarks.quality --context --presets tiny --seeds 2   # what the context of a row brings, on all rows

All data are synthetic (data/README.md): the figures compare models and promise nothing about real consumers.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sazon.quiet import quiet_libraries

quiet_libraries()

from benchmarks.report import RESULTS, describe_machine, keep, table  # noqa: E402
from data import SAMPLE  # noqa: E402
from data.context import context_of  # noqa: E402
from data.labelled import read_labelled  # noqa: E402
from models.checkpoints.checkpoint import read_checkpoint  # noqa: E402
from models.checkpoints.presets import resolve_preset  # noqa: E402
from models.evaluation import metrics  # noqa: E402
from models.evaluation.baselines import Baseline  # noqa: E402
from models.evaluation.behaviour import read_hard_texts  # noqa: E402
from models.evaluation.significance import compare  # noqa: E402
from models.inputs.example_store import ExampleStore  # noqa: E402
from models.text.tokeniser import Tokeniser  # noqa: E402
from models.training.engine import Engine  # noqa: E402
from models.training.fitting import Trainer, predict_logits  # noqa: E402
from models.training.tokenised_rows import tokenise_rows  # noqa: E402
from sazon.memory import keep_freed_memory  # noqa: E402
from sazon.schema import SENTIMENTS  # noqa: E402
from sazon.settings import PRESETS, TrainSettings  # noqa: E402

_TFIDF = "TF-IDF"
_LEAST_EVAL_ROWS = 50
_EVAL_SHARE = 0.2


@dataclass(frozen=True)
class Rows:
    """The splits, and the test sets by name."""

    train: pd.DataFrame
    held_out: pd.DataFrame
    tests: dict[str, pd.DataFrame]

    @classmethod
    def read(cls) -> "Rows":
        """The sample's written and generated test rows with their context, and the hard texts, which have none."""
        rows = _with_flags(read_labelled(SAMPLE))
        rows = rows.join(context_of(rows))
        split = {name: part.reset_index(drop=True) for name, part in rows.groupby("split")}
        test = split["test"]
        tests = {"written": test[test["source"] == "written"], "families": test[test["source"] == "generated"]}
        tests["hard"] = _with_flags(read_hard_texts())
        return cls(split["train"], split["eval"], {name: part.reset_index(drop=True) for name, part in tests.items()})

    def sample(self, size: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """So many training rows, and a fifth as many to stop and choose by; 0: all."""
        if not size:
            return self.train, self.held_out
        held_out = max(_LEAST_EVAL_ROWS, round(_EVAL_SHARE * size))
        return self.train.sample(size, random_state=seed), self.held_out.sample(held_out, random_state=seed)


def main() -> None:
    """Prints the table and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="small", help="names or directories; NAME:scratch ignores its weights")
    parser.add_argument("--sizes", default="100,300,1000,0", help="training rows; 0 for all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of training")
    parser.add_argument("--name", default="quality", help="of the result files")
    parser.add_argument("--context", action="store_true", help="an ablation on all rows; results in context.md")
    options = parser.parse_args()
    keep_freed_memory()
    rows, results = Rows.read(), []
    settings = TrainSettings.model_validate(dict(pair.split("=", 1) for pair in options.set))
    if options.context:
        from benchmarks.context import compare_context

        compare_context(options.presets.split(","), rows, options.seeds, settings)
        return
    for size in map(int, options.sizes.split(",")):
        for model in [_TFIDF, *options.presets.split(",")]:
            runs = [_run(model, rows, size, seed, settings) for seed in range(options.seeds)]
            results.append({"rows": size or len(rows.train), "model": model, "runs": runs})
            print(_line(results, rows), file=sys.stderr, flush=True)
    figures = _figures(results, rows)
    text = _text(figures, options.seeds)
    print(text)
    keep(options.name, text, {"machine": describe_machine("tensorflow-cpu", "keras"), "figures": figures})
    _plot(figures, RESULTS / f"{options.name}.png")


def _run(model: str, rows: Rows, size: int, seed: int, settings: TrainSettings) -> dict[str, np.ndarray]:
    """Predictions for each test set, as class numbers."""
    train, held_out = rows.sample(size, seed)
    if model == _TFIDF:
        fitted = Baseline("tfidf_logistic").fit(train)
        return {name: class_numbers(fitted.predict(list(part["text"])).sentiment) for name, part in rows.tests.items()}
    return _run_bert(model, train, held_out, rows.tests, settings.model_copy(update={"seed": seed + 1}))


def _run_bert(
    model: str, train: pd.DataFrame, held_out: pd.DataFrame, tests: dict[str, pd.DataFrame], settings: TrainSettings
) -> dict[str, np.ndarray]:
    with fit_bert(model, train, held_out, tests, settings) as (engine, stores):
        return {name: classify(engine, store) for name, store in stores.items()}


def classify(engine: Engine, store: ExampleStore, with_context: bool = False) -> np.ndarray:
    """Class number of each row."""
    return predict_logits(engine, store, with_context)[0].argmax(axis=1)


@contextmanager
def fit_bert(
    model: str, train: pd.DataFrame, held_out: pd.DataFrame, tests: dict[str, pd.DataFrame], settings: TrainSettings
) -> Iterator[tuple[Engine, dict[str, ExampleStore]]]:
    """A fitted model, and the test sets in its tokens."""
    import keras

    keras.backend.clear_session()
    name, _, how = model.partition(":")
    preset = resolve_preset(name)
    if how == "scratch" or preset.checkpoint is None:
        weights, size = None, PRESETS.get(name, preset.encoder)
        tokeniser = Tokeniser.learn(train["text"], size.vocabulary)
    else:
        checkpoint = read_checkpoint(preset.checkpoint)
        weights, size, tokeniser = checkpoint.weights, preset.encoder, checkpoint.tokeniser
    with tempfile.TemporaryDirectory() as folder:

        def store(part: pd.DataFrame, place: str) -> ExampleStore:
            return ExampleStore.write(Path(folder) / place, tokenise_rows(part, tokeniser, size.max_tokens))

        trainer = Trainer(
            store(train, "train"),
            store(held_out, "eval"),
            len(tokeniser.vocabulary),
            tokeniser.mask_id,
            size,
            settings,
            weights,
        )
        started_s = time.monotonic()
        fitted = trainer.fit()
        best = max(fitted.epochs, key=lambda epoch: epoch.score)
        print(
            f"  {model} {len(train)} rows: {time.monotonic() - started_s:.0f} s, best epoch {best.number} of "
            f"{len(fitted.epochs)}, eval {best.eval_sentiment_macro_f1:.3f} / {best.eval_tastes_macro_f1:.3f}",
            file=sys.stderr,
        )
        yield trainer.engine, {test: store(part, test) for test, part in tests.items()}


def _with_flags(rows: pd.DataFrame) -> pd.DataFrame:
    tastes = rows["tastes"].map(lambda labels: labels or ())
    return rows.assign(tastes_labelled=rows["tastes"].notna().astype(int), tastes=tastes)


def class_numbers(labels: Any) -> np.ndarray:
    """Sentiments as class numbers."""
    return np.array([SENTIMENTS.index(label) for label in labels])


def _figures(results: list[dict[str, Any]], rows: Rows) -> list[dict[str, Any]]:
    """Mean over seeds with a bootstrap interval over test rows, and the paired test of the first seed."""
    figures = []
    for result in results:
        baseline = next(one for one in results if one["rows"] == result["rows"] and one["model"] == _TFIDF)
        line: dict[str, Any] = {"rows": result["rows"], "model": result["model"], "seeds": len(result["runs"])}
        for name, part in rows.tests.items():
            truth = class_numbers(part["sentiment"])
            line[name] = vars(interval_of(truth, [run[name] for run in result["runs"]]))
            if result is not baseline:
                test = compare(truth, result["runs"][0][name], baseline["runs"][0][name], len(SENTIMENTS))
                line[name] |= {"above_tfidf": test.difference.value, "p": test.p_value}
        figures.append(line)
    return figures


def interval_of(truth: np.ndarray, predictions: list[np.ndarray]) -> metrics.Interval:
    """Mean macro-F1 of several predictions of the same rows, with its bootstrap interval."""
    classes = len(SENTIMENTS)
    rng = np.random.default_rng(0)

    def mean(index: np.ndarray) -> float:
        return float(np.mean([metrics.macro_f1(truth[index], one[index], classes) for one in predictions]))

    draws = np.array([mean(rng.integers(0, len(truth), len(truth))) for _ in range(metrics.RESAMPLES)])
    return metrics.interval(mean(np.arange(len(truth))), draws)


def _line(results: list[dict[str, Any]], rows: Rows) -> str:
    return str(_figures(results, rows)[-1])


def _text(figures: list[dict[str, Any]], seeds: int) -> str:
    tests = [key for key in figures[0] if key not in ("rows", "model", "seeds")]
    body = [[f"{line['rows']:,}", line["model"], *(_cell(line[test]) for test in tests)] for line in figures]
    note = (
        f"Macro-F1 of sentiment, mean of {seeds} seed(s), with the 95% bootstrap interval over test rows; p: paired "
        "approximate randomisation against TF-IDF on the same rows, first seed. All data are synthetic."
    )
    return f"{table(['training rows', 'model', *tests], body)}\n\n{note}"


def _cell(cell: dict[str, float]) -> str:
    shown = f"{cell['value']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]"
    return f"{shown} (p {cell['p']:.3f})" if "p" in cell else shown


def _plot(figures: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    tests = [key for key in figures[0] if key not in ("rows", "model", "seeds")]
    figure = Figure(figsize=(4.2 * len(tests), 3.8), layout="constrained")
    for axes, test in zip(np.atleast_1d(figure.subplots(1, len(tests), sharey=True)), tests, strict=True):
        for model in dict.fromkeys(line["model"] for line in figures):
            own = [line for line in figures if line["model"] == model]
            middle = [line[test]["value"] for line in own]
            spread = [[line[test]["value"] - line[test]["low"] for line in own],
                      [line[test]["high"] - line[test]["value"] for line in own]]  # fmt: skip
            axes.errorbar([line["rows"] for line in own], middle, yerr=spread, marker="o", capsize=3, label=model)
        axes.set(xscale="log", xlabel="training rows", title=test)
    figure.axes[0].set_ylabel("macro-F1 of sentiment (synthetic data)")
    figure.axes[0].legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
