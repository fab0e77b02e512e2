"""The MLflow flavour of the taste model. MLflow stores this file beside the weights and runs it when it loads them.

It stands alone on purpose: a registered model loads where only tensorflow and tensorflow_text are installed.
"""

from typing import Any

import mlflow
import pandas as pd

_BATCH = 256


class TasteClassifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Texts in, labels and probabilities out, as the serving endpoint answers."""

    def load_context(self, context: Any) -> None:
        """Loads the SavedModel that was registered."""
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  registers the ops of the tokeniser

        self._constant = tf.constant
        self._loaded = tf.saved_model.load(context.artifacts["saved_model"])
        self._serve = self._loaded.signatures["serving_default"]

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Classifies.

        Args:
            context: unused.
            model_input: one str column `text`.
            params: unused.

        Returns:
            Columns sentiment (str), sentiment_probs (3 floats), tastes (str, joined by "|"), taste_probs (10 floats).
        """
        texts = [str(text) for text in model_input["text"]]
        parts = []
        for start in range(0, len(texts), _BATCH):
            answer = self._serve(text=self._constant(texts[start : start + _BATCH]))
            parts.append(
                pd.DataFrame(
                    {
                        "sentiment": [label.decode() for label in answer["sentiment"].numpy()],
                        "sentiment_probs": answer["sentiment_probs"].numpy().tolist(),
                        "tastes": [labels.decode() for labels in answer["tastes"].numpy()],
                        "taste_probs": answer["taste_probs"].numpy().tolist(),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


mlflow.models.set_model(TasteClassifier())
