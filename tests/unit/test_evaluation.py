import json

import numpy as np
import pandas as pd
import pytest

from models.evaluation.blessing import judge
from models.evaluation.error_analysis import worst_mistakes
from models.evaluation.measurement import compare_sentiment, evaluate
from models.evaluation.plots import plot_calibration, plot_confusion, plot_slices
from models.export.saved_model import Predictions
from sazon.schema import SENTIMENTS
from sazon.settings import GateSettings


def answers(*sentiments, sure=0.8, tastes=()):
    probabilities = np.full((len(sentiments), 3), (1 - sure) / 2, np.float32)
    probabilities[np.arange(len(sentiments)), [SENTIMENTS.index(name) for name in sentiments]] = sure
    named = [tuple(tastes)] * len(sentiments)
    return Predictions(list(sentiments), probabilities, named, np.zeros((len(sentiments), 10), np.float32))


@pytest.fixture
def rows():
    """Sixty rows, every fifth unlabelled; Lima is easy to answer with "positive", Puno is not."""
    sentiment = ["" if number % 5 == 0 else "positive" if number < 30 else "negative" for number in range(60)]
    return pd.DataFrame(
        {
            "text": [f"texto {number}" for number in range(60)],
            "sentiment": sentiment,
            "tastes": [("dulce",)] * 60,
            "tastes_labelled": 1,
            "region": ["Lima" if number < 30 else "Puno" for number in range(60)],
        },
        index=range(100, 160),
    )


def test_unlabelled_rows_are_not_counted_and_slices_show_where_it_fails(rows):
    report = evaluate(rows, answers(*["positive"] * 60, tastes=("dulce",))).as_dict()
    assert report["sentiment"]["rows"] == 48
    assert report["sentiment"]["accuracy"]["value"] == 0.5
    assert report["tastes"]["micro_f1"]["value"] == 1.0
    assert report["slices"]["region=Lima"]["macro_f1"]["value"] == 1.0
    assert report["slices"]["region=Puno"]["macro_f1"]["value"] == 0.0
    assert report["sentiment"]["unscaled"] is None
    json.dumps(report, allow_nan=False)


def test_rows_without_any_sentiment_are_still_measured_on_tastes(rows):
    report = evaluate(rows.assign(sentiment=""), answers(*["positive"] * 60)).as_dict()
    assert report["sentiment"] is None
    assert report["tastes"]["macro_f1"]["value"] == 0.0


def test_calibration_before_scaling_is_told_where_the_temperature_is_known(rows):
    sentiment = evaluate(rows, answers(*["positive"] * 60, sure=0.5), 3.0).as_dict()["sentiment"]
    assert sentiment["calibration_error"] == pytest.approx(0.0, abs=1e-6)
    assert sentiment["unscaled"]["error"] > 0.2


def test_a_paired_test_looks_at_labelled_rows_only(rows):
    compared = compare_sentiment(rows, list(rows["sentiment"].replace("", "neutral")), ["positive"] * 60)
    assert (compared.rows, compared.p_value < 0.001) == (48, True)


def test_the_surest_mistakes_come_first_with_their_tastes_and_slices(rows):
    given = answers(*["positive"] * 60, tastes=("salado",))
    given.sentiment_probs[41] = (0.02, 0.02, 0.96)
    mistakes = worst_mistakes(rows, given, 5)
    assert len(mistakes) == 5
    first = mistakes.iloc[0].to_dict()
    assert first == {
        "text": "texto 41",
        "labelled": "negative",
        "predicted": "positive",
        "confidence": pytest.approx(0.96),
        "tastes_missed": "dulce",
        "tastes_invented": "salado",
        "region": "Puno",
    }


def test_a_model_without_a_mistake_has_an_empty_table(rows):
    assert worst_mistakes(rows, answers(*rows["sentiment"].replace("", "neutral"))).empty


def test_the_plots_are_drawn(rows, tmp_path):
    report = evaluate(rows, answers(*["positive"] * 60), 2.0).as_dict()
    for number, figure in enumerate(
        (plot_confusion(report["sentiment"]["confusion"]), plot_calibration(report["sentiment"]), plot_slices(report))
    ):
        figure.savefig(tmp_path / f"{number}.png")


def test_a_report_can_be_judged(rows):
    report = evaluate(rows, answers(*rows["sentiment"].replace("", "neutral"))).as_dict()
    verdict = judge(report, {"other": report}, GateSettings(), {"other": {"p_value": 1.0}})
    assert verdict.blessed
