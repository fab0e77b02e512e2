"""Putting a judged model into MLflow: figures, plots, baselines as nested runs, and the registered version."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from models.evaluation.plots import plot_calibration, plot_confusion, plot_slices
from models.export.saved_model import TrainingRecord
from models.registration import pyfunc
from sazon import registry
from sazon.registry import Registry, Version
from sazon.schema import INPUT_TEXT

_ARTIFACT_NAME = "taste"


def register_judged_model(saved_model: Path, report: dict[str, Any], experiment: str, tags: dict[str, str]) -> Version:
    """Registers a model with its verdict; the same training is registered once, however often this is called.

    Everything is logged before the version is made, so that a kill in between leaves no half-registered version.

    Args:
        saved_model: the exported model.
        report: as from `models.evaluation.judgement.report_on`.
        experiment: for a run that has to be made anew because the old one was deleted.
        tags: of run and version, such as the data digest.
    """
    store = Registry(mlflow.get_tracking_uri())
    verdict = report["verdict"]
    status = registry.BLESSED if verdict["blessed"] else registry.REJECTED
    record = TrainingRecord.read(saved_model)
    known = store.of_training(record.mlflow_run_id)
    if known is not None:
        if (known.status, known.reason) != (status, verdict["reason"]):
            store.set_verdict(known.number, status, verdict["reason"])
        return Version(known.number, known.run_id, status, verdict["reason"])
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_id=_existing_run(record.mlflow_run_id)) as run:
        mlflow.set_tags({**tags, registry.TAG_STATUS: status, registry.TAG_REASON: verdict["reason"]})
        _log_training(record)
        _log_figures(report)
        for name, figures in report["baselines"].items():
            with mlflow.start_run(run_name=name, nested=True, tags=tags):
                mlflow.log_metrics(dict(_numbers(figures)))
        info = _log_model(saved_model)
    version_tags = {
        **tags,
        registry.TAG_STATUS: status,
        registry.TAG_REASON: verdict["reason"],
        registry.TAG_TRAINING: record.mlflow_run_id,
    }
    return store.register(info.model_uri, run.info.run_id, info.model_id, version_tags)


def _existing_run(run_id: str) -> str | None:
    try:
        run = mlflow.get_run(run_id)
    except MlflowException:
        return None
    return run_id if run.info.lifecycle_stage == "active" else None


def _log_training(record: TrainingRecord) -> None:
    mlflow.log_params({"parameters": record.parameters, "vocabulary": record.vocabulary})
    mlflow.log_metrics({"training_seconds": record.seconds, "temperature": record.temperature})


def _log_figures(report: dict[str, Any]) -> None:
    candidate = report["candidate"]
    mlflow.log_metrics(dict(_numbers(candidate)) | dict(_comparisons(report["comparisons"])))
    mlflow.log_dict({**candidate, "comparisons": report["comparisons"]}, "evaluation/report.json")
    for name in ("mistakes", "failures"):
        mlflow.log_text(pd.DataFrame(report[name]).to_csv(index=False), f"evaluation/{name}.csv")
    mlflow.log_figure(plot_confusion(candidate["sentiment"]["confusion"]), "evaluation/confusion.png")
    mlflow.log_figure(plot_calibration(candidate["sentiment"]), "evaluation/calibration.png")
    if candidate["slices"]:
        mlflow.log_figure(plot_slices(candidate), "evaluation/slices.png")


def _comparisons(comparisons: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, comparison in comparisons.items():
        yield f"against_{name}/difference", comparison["difference"]["value"]
        yield f"against_{name}/p_value", comparison["p_value"]


def _numbers(report: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Flattens a report into MLflow metrics, such as `test_macro_f1` and `slice/region_Lima/macro_f1`."""
    sentiment, tastes = report["sentiment"], report["tastes"]
    yield from _headline("test_", {"macro_f1": sentiment["macro_f1"], "accuracy": sentiment["accuracy"]})
    yield "test_calibration_error", sentiment["calibration_error"]
    if sentiment["unscaled"]:
        yield "test_calibration_error_unscaled", sentiment["unscaled"]["error"]
    for name, score in sentiment["per_class"].items():
        if score is not None:
            yield f"test_f1_{name}", score
    if tastes:
        yield from _headline("test_", {"tastes_micro_f1": tastes["micro_f1"], "tastes_macro_f1": tastes["macro_f1"]})
        for name, score in tastes["per_label"].items():
            if score is not None:
                yield f"test_f1_{name}", score
    for place, line in report["slices"].items():
        for name in ("macro_f1", "tastes_micro_f1"):
            if name in line:
                yield f"slice/{place.replace('=', '_')}/{name}", line[name]["value"]
    yield from _behaviour(report["behaviour"])


def _behaviour(behaviour: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Pass rates such as `behaviour/negation`, and figures on the hard texts such as `hard/negation/macro_f1`."""
    cases, hard = behaviour["cases"], behaviour["hard"]
    yield "behaviour/all", cases["overall"]["rate"]
    for name, line in cases["capabilities"].items():
        yield f"behaviour/{name}", line["rate"]
    for name, line in cases["kinds"].items():
        yield f"behaviour_kind/{name}", line["rate"]
    yield from _headline("hard/", {"macro_f1": hard["sentiment"]["macro_f1"]})
    for place, line in hard["slices"].items():
        yield f"hard/{place.removeprefix('phenomenon=')}/macro_f1", line["macro_f1"]["value"]


def _headline(prefix: str, intervals: dict[str, dict[str, float]]) -> Iterator[tuple[str, float]]:
    for name, interval in intervals.items():
        yield f"{prefix}{name}", interval["value"]
        yield f"{prefix}{name}_low", interval["low"]
        yield f"{prefix}{name}_high", interval["high"]


def _log_model(saved_model: Path) -> Any:
    import tensorflow
    import tensorflow_text

    text = Schema([ColSpec("string", INPUT_TEXT)])
    requirements = [
        f"tensorflow=={tensorflow.__version__}",
        f"tensorflow-text=={tensorflow_text.__version__}",
        "pandas",
    ]
    return mlflow.pyfunc.log_model(
        name=_ARTIFACT_NAME,
        python_model=pyfunc.__file__,
        artifacts={"saved_model": str(saved_model)},
        signature=ModelSignature(inputs=text),
        pip_requirements=requirements,
    )
