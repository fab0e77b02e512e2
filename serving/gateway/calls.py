"""Predictions by one version, counted for whoever judges it."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from serving.gateway.call_errors import ModelError
from serving.gateway.deadlines import Deadline
from serving.gateway.errors import ApiError
from serving.gateway.model_client import ModelClient
from serving.gateway.predictions import Prediction
from serving.gateway.routing import Target
from serving.monitoring.metrics import BAD_ANSWER, NO_VERSION, OK, GatewayMetrics


@dataclass(frozen=True)
class Ask:
    """What is asked, and how.

    Attributes:
        texts: what was written.
        context: (features,) for models that read it; None for none.
        key: asks of the same key go to the same version.
        deadline: by when the answer is due.
        trace_id: names the request in exemplars.
    """

    texts: Sequence[str]
    context: Sequence[float] | None
    key: str
    deadline: Deadline
    trace_id: str


class CountedCalls:
    """Every prediction goes through here, so that none is missing in the metrics."""

    def __init__(self, client: ModelClient, metrics: GatewayMetrics) -> None:
        self._client, self._metrics = client, metrics

    def predict(self, ask: Ask, target: Target) -> tuple[int, list[Prediction]]:
        """Predicts a batch.

        Returns:
            The version that answered, and one prediction per text.

        Raises:
            ApiError: as `ModelClient.predict`.
        """
        started = time.perf_counter()
        asked = NO_VERSION if target.version is None else str(target.version)
        try:
            version, predictions = self._client.predict(ask.texts, ask.context, target.version, ask.deadline.left_s)
        except ApiError as error:
            outcome = error.outcome if isinstance(error, ModelError) else BAD_ANSWER
            self._metrics.observe_call(target.role, asked, outcome, time.perf_counter() - started, ask.trace_id)
            raise
        self._metrics.observe_call(target.role, str(version), OK, time.perf_counter() - started, ask.trace_id)
        for sentiment, count in Counter(prediction.sentiment for prediction in predictions).items():
            self._metrics.predictions.labels(target.role, str(version), sentiment).inc(count)
        return version, predictions
