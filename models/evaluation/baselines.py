"""The classical baselines that BERT has to answer to: TF-IDF with logistic regression, and a random forest."""

from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion

from models.export.saved_model import Predictions
from sazon.schema import SENTIMENTS, TASTES

BASELINES = ("tfidf_logistic", "random_forest")
_SEED = 13


class Classifier(Protocol):
    """Whatever classifies texts."""

    def predict(self, texts: list[str]) -> Predictions:
        """Answers for texts, in order."""


class Baseline:
    """Two scikit-learn classifiers over the same text features, one a task."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._features = _text_features(name)
        self._sentiment = _classifier(name)
        self._tastes = MultiOutputClassifier(_classifier(name))
        self._fitted_tastes: list[int] = []

    def fit(self, rows: pd.DataFrame) -> "Baseline":
        """Fits on raw rows: `text`, `sentiment` ("" = unlabelled), `tastes` (tuple) and `tastes_labelled`."""
        vectors = self._features.fit_transform(rows["text"])
        has_sentiment = (rows["sentiment"] != "").to_numpy()
        self._sentiment.fit(vectors[has_sentiment], rows["sentiment"][has_sentiment])
        has_tastes = (rows["tastes_labelled"] == 1).to_numpy()
        truth = taste_matrix(rows[has_tastes])
        # A label that is always there or never there leaves nothing to learn.
        self._fitted_tastes = [index for index in range(len(TASTES)) if 0 < truth[:, index].sum() < len(truth)]
        if self._fitted_tastes:
            self._tastes.fit(vectors[has_tastes], truth[:, self._fitted_tastes])
        return self

    def predict(self, texts: list[str]) -> Predictions:
        """Answers for texts; a taste is named at probability 0.5."""
        vectors = self._features.transform(texts)
        sentiment = np.zeros((len(texts), len(SENTIMENTS)), np.float32)
        classes = [SENTIMENTS.index(name) for name in self._sentiment.classes_]
        sentiment[:, classes] = self._sentiment.predict_proba(vectors)
        tastes = np.zeros((len(texts), len(TASTES)), np.float32)
        if self._fitted_tastes:
            tastes[:, self._fitted_tastes] = np.stack([p[:, 1] for p in self._tastes.predict_proba(vectors)], axis=1)
        named = [tuple(np.array(TASTES)[row >= 0.5]) for row in tastes]
        return Predictions([SENTIMENTS[index] for index in sentiment.argmax(axis=1)], sentiment, named, tastes)


def taste_matrix(rows: pd.DataFrame) -> np.ndarray:
    """The `tastes` column as (rows, 10) bool."""
    matrix = [[taste in labels for taste in TASTES] for labels in rows["tastes"]]
    return np.array(matrix, bool).reshape(-1, len(TASTES))


def _text_features(name: str) -> Any:
    words = TfidfVectorizer(strip_accents="unicode", ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    if name == "random_forest":
        return words
    pieces = TfidfVectorizer(
        strip_accents="unicode", analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True
    )
    return FeatureUnion([("words", words), ("pieces", pieces)])


def _classifier(name: str) -> Any:
    if name == "random_forest":
        return RandomForestClassifier(
            n_estimators=100, min_samples_leaf=2, class_weight="balanced_subsample", n_jobs=-1, random_state=_SEED
        )
    return LogisticRegression(C=4.0, max_iter=300, class_weight="balanced", solver="liblinear", random_state=_SEED)
