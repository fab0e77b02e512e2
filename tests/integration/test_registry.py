"""A real MLflow on SQLite: registering, aliases, and loading back in a fresh process."""

import json
import subprocess
import sys

import mlflow
import numpy as np
import pytest

from models.export.saved_model import SavedTasteModel
from models.registration.judged_model import register_judged_model
from sazon.errors import RegistryError, UserError

pytestmark = pytest.mark.integration


@pytest.fixture
def report(judged):
    return {**judged, "verdict": {"blessed": True, "reason": "good"}}


def register(saved_model, report):
    return register_judged_model(saved_model, report, "taste", {"data_digest": "abc"})


def test_a_version_is_registered_once_with_verdict_figures_and_plots(registry, saved_model, report):
    version = register(saved_model, report)
    assert (version.number, version.status, version.reason) == (1, "blessed", "good")
    run = registry.client.get_run(version.run_id)
    assert run.data.metrics["test_macro_f1"] == pytest.approx(report["candidate"]["sentiment"]["macro_f1"]["value"])
    assert "slice/region_Lima/macro_f1" in run.data.metrics
    assert 0 <= run.data.metrics["behaviour/negation"] <= 1
    assert run.data.metrics["hard/negation/macro_f1"] <= 1
    assert run.data.metrics["against_tfidf_logistic/p_value"] <= 1
    files = {item.path for item in registry.client.list_artifacts(version.run_id, "evaluation")}
    plots = ("confusion.png", "calibration.png", "slices.png")
    assert files == {f"evaluation/{name}" for name in ("report.json", "mistakes.csv", "failures.csv", *plots)}


def test_the_same_training_is_registered_once_and_its_verdict_can_change(registry, saved_model, report):
    first = register(saved_model, report)
    report["verdict"] = {"blessed": False, "reason": "gates were tightened"}
    again = register(saved_model, report)
    assert (again.number, again.status) == (first.number, "rejected")
    assert [version.status for version in registry.versions()] == ["rejected"]


def test_aliases_move_and_are_resolved(registry, saved_model, report):
    first = register(saved_model, report)
    source = registry.client.get_model_version("taste", "1").source
    registry.register(source, first.run_id, None, {})
    registry.set_alias("champion", 2)
    assert registry.resolve("models:/taste@champion").number == 2
    assert registry.resolve("models:/taste/1").number == 1
    assert registry.resolve(None).number == 2
    for wrong, error in (
        ("models:/taste/9", RegistryError),
        ("models:/taste@none", RegistryError),
        ("taste", UserError),
    ):
        with pytest.raises(error):
            registry.resolve(wrong)


def test_runs_of_killed_processes_are_ended(registry):
    experiment = registry.ensure_experiment("taste", None)
    run = registry.client.create_run(experiment)
    assert registry.end_stale_runs(experiment) == 1
    assert registry.client.get_run(run.info.run_id).info.status == "KILLED"


def test_the_registered_model_answers_alike_in_a_fresh_process(registry, saved_model, report, tmp_path):
    version = register(saved_model, report)
    texts = ["rico y picante", "", "¡qué asco! 🤢"]
    code = (
        "import sys, json, mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/taste/1')\n"
        "print(json.dumps(model.predict(pd.DataFrame({'text': json.loads(sys.argv[2])})).to_dict('list')))"
    )
    command = [sys.executable, "-c", code, mlflow.get_tracking_uri(), json.dumps(texts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=120)
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    here = SavedTasteModel(saved_model).predict(texts)
    assert answer["sentiment"] == here.sentiment
    np.testing.assert_allclose(answer["sentiment_probs"], here.sentiment_probs, atol=1e-5)
    np.testing.assert_allclose(answer["taste_probs"], here.taste_probs, atol=1e-5)
    downloaded = SavedTasteModel(registry.download(version)).predict(texts)
    np.testing.assert_allclose(downloaded.sentiment_probs, here.sentiment_probs, atol=1e-6)


def test_the_log_of_promotions_only_grows(registry, saved_model, report):
    assert registry.promotions() == []
    register(saved_model, report)
    registry.log_promotion("000002-rolled-back-2025-07-02T00:00:00Z", {"version": 1, "at": "2025-07-02T00:00:00Z"})
    registry.log_promotion("000001-promoted", {"version": 1, "at": "2025-07-01T00:00:00Z", "why": "señal"})
    registry.log_promotion("000001-promoted", {"version": 9, "at": "2025-07-03T00:00:00Z"})
    assert [entry["at"][:10] for entry in registry.promotions()] == ["2025-07-01", "2025-07-02"]
    assert registry.promotions()[0]["why"] == "señal"
