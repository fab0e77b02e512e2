"""A tiny model, trained for a moment and exported as the Trainer exports, shared by the integration tests."""

import multiprocessing
import shutil
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

TEXTS = (
    "rico y bien picante el ceviche",
    "pésimo, pura grasa y salado",
    "normal nomás, nada que decir",
    "dulce y cremoso, me encantó",
)


@pytest.fixture(scope="session")
def feedback_rows() -> pd.DataFrame:
    """Sixty raw rows as the pipeline reads them."""
    sentiments, tastes = (
        ("positive", "negative", "neutral", "positive"),
        (("picante",), ("salado", "grasoso"), (), ("dulce", "cremoso")),
    )
    return pd.DataFrame(
        {
            "created_at": f"2025-03-{1 + number % 28:02d}T12:00:00+00:00",
            "text": f"{TEXTS[number % 4]} {number}",
            "product": "ceviche" if number % 2 else "causa",
            "region": "Lima" if number % 3 else "Puno",
            "channel": "app",
            "category": "plato",
            "source": "written",
            "rating": float(1 + number % 5),
            "sentiment": sentiments[number % 4],
            "tastes": tastes[number % 4],
            "tastes_labelled": 1,
        }
        for number in range(60)
    )


@pytest.fixture(scope="session")
def fork_server() -> ForkServerContext:
    """Starts children that need not import TensorFlow and Keras first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["models.training.fitting"])
    return context


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without content, to be copied: making its tables takes seconds."""
    from sazon.registry import Registry

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.sqlite"
    assert Registry(f"sqlite:///{path}").promotions() == []
    return path


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory, feedback_rows: pd.DataFrame) -> Path:
    """A SavedModel of a two-layer BERT with random weights, with its training record."""
    import keras

    from models.bert.taste_model import TasteModel
    from models.checkpoints.finetuned import Answering
    from models.export.frozen_model import TasteServing
    from models.export.saved_model import TrainingRecord
    from models.text.tokeniser import Tokeniser
    from sazon.settings import PRESETS

    size = PRESETS["tiny"]
    tokeniser = Tokeniser.learn(feedback_rows["text"], 300)
    keras.utils.set_random_seed(1)
    model = TasteModel(len(tokeniser.vocabulary), size)
    folder = tmp_path_factory.mktemp("export") / "model"
    TasteServing(model, Answering(tokeniser, size.max_tokens, [0.5] * 10)).save(folder)
    TrainingRecord("no-such-run", 1.0, model.count_params(), len(tokeniser.vocabulary), [0.5] * 10, []).write(folder)
    return folder


@pytest.fixture(scope="session")
def judged(saved_model: Path, feedback_rows: pd.DataFrame) -> dict[str, Any]:
    """The report on that model, as the pipeline writes it."""
    from models.evaluation.judgement import measure_baselines, report_on
    from models.export.saved_model import SavedTasteModel
    from sazon.settings import GateSettings

    baselines = measure_baselines(feedback_rows, feedback_rows)
    return report_on(SavedTasteModel(saved_model), feedback_rows, baselines, GateSettings())


@pytest.fixture
def registry(tmp_path: Path, empty_mlflow: Path) -> Any:
    """The registry of an MLflow of its own, which is MLflow's present one; its experiment is `taste`."""
    import mlflow

    from sazon.registry import Registry

    uri = f"sqlite:///{shutil.copy(empty_mlflow, tmp_path)}"
    mlflow.set_tracking_uri(uri)
    made = Registry(uri)
    made.ensure_experiment("taste", (tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("taste")
    return made
