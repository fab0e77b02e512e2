"""The notebook runs from top to bottom on a small state: real MLflow, two versions, one with a learning curve."""

import shutil
from pathlib import Path

import mlflow
import pytest

from models.export.saved_model import TrainingRecord
from models.registration.judged_model import register_judged_model
from sazon.home import Home
from sazon.registry import CHAMPION, Registry

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_compare_runs.ipynb"
F1_BY_EPOCH = (0.4, 0.6, 0.7)


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def filled(tmp_path_factory, saved_model, judged):
    """A state directory with a rejected version without a curve, and a blessed one with a curve and a baseline."""
    folder = tmp_path_factory.mktemp("notebook")
    home = Home(folder / "home")
    home.mlflow_db.parent.mkdir(parents=True)
    uri = f"sqlite:///{home.mlflow_db}"
    mlflow.set_tracking_uri(uri)
    registry = Registry(uri)
    registry.ensure_experiment("taste", home.mlflow_artifacts.as_uri())
    rejected = {**judged, "baselines": {}, "verdict": {"blessed": False, "reason": "too weak"}}
    tfidf = {"tfidf": judged["candidate"]}
    blessed = {**judged, "baselines": tfidf, "verdict": {"blessed": True, "reason": "good"}}
    register_judged_model(saved_model, rejected, "taste", {"data_digest": "0123456789abcdef"})
    register_judged_model(
        _trained(saved_model, folder / "model"), blessed, "taste", {"data_digest": "0123456789abcdef"}
    )
    return home.root, registry


@pytest.fixture
def registry(filled, monkeypatch):
    """The registry of that state, which the notebook finds by the environment."""
    monkeypatch.setenv("SAZON_HOME", str(filled[0]))
    return filled[1]


def _trained(saved_model, folder):
    """A copy of the model whose record names a run with a learning curve, as the Trainer leaves it."""
    mlflow.set_experiment("taste")
    with mlflow.start_run(run_name="curved") as run:
        mlflow.log_params({"encoder.layers": 2, "train.epochs": len(F1_BY_EPOCH)})
        for step, score in enumerate(F1_BY_EPOCH, 1):
            mlflow.log_metrics({"loss": 1 - score, "eval_sentiment_macro_f1": score}, step=step)
    shutil.copytree(saved_model, folder)
    record = vars(TrainingRecord.read(folder))
    TrainingRecord(**{**record, "mlflow_run_id": run.info.run_id}).write(folder)
    return folder


@pytest.fixture
def execute(notebook, monkeypatch, tmp_path):
    """Runs every cell in a fresh kernel of this interpreter, beside the notebook, away from the user's Jupyter."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # as `make setup` installs it, and pytest's own pythonpath does here

    def run():
        resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources)
        client.execute()
        return {cell["id"]: cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"}

    return run


def shown(outputs, kind):
    return "".join(output["data"].get(kind, "") for output in outputs if "data" in output)


def test_it_shows_runs_curves_and_the_champion_s_slices(registry, execute):
    registry.set_alias(CHAMPION, 2)
    outputs = execute()
    assert not [item for cell in outputs.values() for item in cell if item.get("name") == "stderr"]
    runs = shown(outputs["runs"], "text/html")
    for text in ("curved", "tfidf", "2 (champion)", "blessed", "rejected", "01234567"):
        assert text in runs
    score = registry.client.get_run(registry.resolve(None).run_id).data.metrics["test_macro_f1_low"]
    assert f"{score:.3f}" in runs
    assert shown(outputs["curves"], "image/png")
    slices = shown(outputs["slices"], "text/html")
    assert "version 2 (champion)" in slices
    assert "region=Lima" in slices


def test_without_a_champion_it_shows_the_newest_version(registry, execute):
    registry.drop_alias(CHAMPION)
    assert "version 2 (newest; there is no champion)" in shown(execute()["slices"], "text/html")


def test_without_a_registry_it_says_what_to_do(execute):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="sazon train --data FILE"):
        execute()


def test_it_is_stored_small_without_outputs_and_says_that_the_sample_is_synthetic(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert len(notebook.cells) < 8
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert "synthetic" in notebook.cells[0]["source"]
