"""The whole report on a candidate: figures beside the baselines', paired tests, behaviour, mistakes, verdict."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from models.evaluation.baselines import BASELINES, Baseline, Classifier
from models.evaluation.behaviour import measure_behaviour
from models.evaluation.blessing import Verdict, judge
from models.evaluation.error_analysis import worst_mistakes
from models.evaluation.measurement import compare_sentiment, evaluate
from sazon.settings import GateSettings

EVALUATOR_REFUSED = "the Evaluator's thresholds were not met: accuracy is not above the majority class"


@dataclass(frozen=True)
class Champion:
    """The model that is served now."""

    uri: str
    classifier: Classifier


def measure_baselines(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Fits the baselines on raw training rows and measures them on the test rows.

    Returns:
        For JSON, each by name: `reports`, and `sentiments`, the answers in the test rows' order.
    """
    reports, sentiments = {}, {}
    for name in BASELINES:
        baseline = Baseline(name).fit(train)
        answers = baseline.predict(list(test["text"]))
        reports[name] = evaluate(test, answers).as_dict() | {"behaviour": measure_behaviour(baseline).as_dict()}
        sentiments[name] = answers.sentiment
    return {"reports": reports, "sentiments": sentiments}


def report_on(
    candidate: Classifier,
    test: pd.DataFrame,
    baselines: dict[str, Any],
    gates: GateSettings,
    *,
    temperature: float = 1.0,
    champion: Champion | None = None,
    evaluator_blessed: bool = True,
) -> dict[str, Any]:
    """Measures a candidate and gives the verdict.

    Args:
        candidate: the model.
        test: raw rows of the test split.
        baselines: as from `measure_baselines` on the same rows.
        gates: what is asked for.
        temperature: by which the candidate's probabilities were scaled.
        champion: what is served now, if anything.
        evaluator_blessed: the TFX Evaluator's own verdict.

    Returns:
        For JSON: `candidate` and `baselines` (reports), `comparisons` (candidate against each of the others on the same
        rows), `mistakes` and `failures` of the candidate (lists of rows), and `verdict`.
    """
    texts = list(test["text"])
    answers, behaviour = candidate.predict(texts), measure_behaviour(candidate, temperature)
    report = evaluate(test, answers, temperature).as_dict() | {"behaviour": behaviour.as_dict()}
    comparisons = {
        name: asdict(compare_sentiment(test, answers.sentiment, sentiments))
        for name, sentiments in baselines["sentiments"].items()
    }
    if champion:
        compared = compare_sentiment(test, answers.sentiment, champion.classifier.predict(texts).sentiment)
        comparisons["champion"] = asdict(compared) | {"model": champion.uri}
    verdict = judge(report, baselines["reports"], gates, comparisons)
    if verdict.blessed and not evaluator_blessed:
        verdict = Verdict(False, EVALUATOR_REFUSED)
    return {
        "candidate": report,
        "baselines": baselines["reports"],
        "comparisons": comparisons,
        "mistakes": worst_mistakes(test, answers).to_dict("records"),
        "failures": behaviour.verdicts.failures,
        "verdict": asdict(verdict),
    }
