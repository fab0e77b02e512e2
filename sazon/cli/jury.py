"""Which models say what they think of unlabelled texts: the served one, else the champion; and a baseline beside it."""

from typing import TYPE_CHECKING

import polars as pl

from data.labelling.classifiers import Classifier, Jury, ServedClassifier
from data.store import FeedbackStore
from sazon.errors import ServingError
from sazon.logging import get_logger

if TYPE_CHECKING:
    from sazon.settings import Settings

_FITTED_ROWS = 5000
_MIN_FITTED_ROWS = 200
_LOG = get_logger("label")


def find_jury(settings: "Settings", store: FeedbackStore, server: str | None) -> Jury | None:
    """The models to ask; None where there is none.

    Args:
        settings: say where the local model server and the registry are.
        store: its labelled texts fit the baseline.
        server: address of the model server; must answer if given.

    Raises:
        ServingError: `server` does not answer.
    """
    try:
        served = ServedClassifier(server or f"http://{settings.serving.host}:{settings.serving.rest_port}")
    except ServingError:
        if server:
            raise
        return _champion(settings, store)
    return Jury(str(served.version), served, _fit_baseline(store))


def _champion(settings: "Settings", store: FeedbackStore) -> Jury | None:
    from sazon.registry import CHAMPION, Registry

    known = settings.mlflow.tracking_uri or settings.state.mlflow_db.exists()
    champion = Registry(settings.tracking_uri).with_alias(CHAMPION) if known else None
    if champion is None:
        _LOG.warning("no model is served and none is champion: texts are ranked by novelty alone")
        return None
    from models.export.saved_model import SavedTasteModel

    _LOG.info("no model server answers: loading version %d", champion.number)
    model = SavedTasteModel(Registry(settings.tracking_uri).download(champion))
    return Jury(str(champion.number), model, _fit_baseline(store))


def _fit_baseline(store: FeedbackStore) -> Classifier | None:
    """TF-IDF with logistic regression on the newest labelled texts; None where they are too few."""
    from models.evaluation.baselines import Baseline

    rows = store.rows().filter(pl.col("sentiment").fill_null("") != "").sort("created_at", descending=True)
    labelled = rows.select("text", "sentiment").head(_FITTED_ROWS).collect()
    if len(labelled) < _MIN_FITTED_ROWS or labelled["sentiment"].n_unique() < 2:
        return None
    # Disagreement is on the sentiment: tastes need no fit.
    return Baseline("tfidf_logistic").fit(labelled.to_pandas().assign(tastes=[()] * len(labelled), tastes_labelled=0))
