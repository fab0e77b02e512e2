"""One request, answered by the version whose turn it is."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from serving.gateway.call_errors import ModelError
from serving.gateway.calls import Ask, CountedCalls
from serving.gateway.explanations import Explanation
from serving.gateway.model_client import ModelClient
from serving.gateway.predictions import Prediction
from serving.gateway.recent_texts import RecentTexts
from serving.gateway.routing import Target, TrafficFile, choose_shadow, choose_target, fall_back
from serving.gateway.shadows import Shadows
from serving.traffic import STABLE, Traffic

_Answer = TypeVar("_Answer")


class Answerer(NamedTuple):
    """A version in the role in which it was asked."""

    version: int
    role: str


class Predictor:
    """Sends requests to stable, canary and shadow as the traffic file says."""

    def __init__(
        self,
        client: ModelClient,
        calls: CountedCalls,
        shadows: Shadows,
        traffic: TrafficFile,
        recent: RecentTexts | None = None,
    ) -> None:
        self._client, self._calls, self._shadows, self._traffic = client, calls, shadows, traffic
        self._recent = recent

    def predict(self, ask: Ask) -> tuple[Answerer, list[Prediction]]:
        """Predicts a batch.

        Returns:
            Who answered, and one prediction per text.

        Raises:
            ApiError: as `ModelClient.predict`.
        """
        traffic = self._traffic.current()
        target, (version, predictions) = _ask(ask.key, traffic, lambda target: self._calls.predict(ask, target))
        shadow = choose_shadow(traffic, ask.key)
        if target.role == STABLE and shadow is not None and shadow != version:
            self._shadows.send(ask, shadow, predictions)
        if self._recent is not None:
            self._recent.add(ask.texts)
        return Answerer(version, target.role), predictions

    def explain(self, ask: Ask) -> tuple[str, list[Explanation]]:
        """Explains a batch; not counted among the calls, which judge a version by its predictions.

        Returns:
            The version that answered, and one explanation per text.

        Raises:
            ApiError: as `ModelClient.explain`.
        """

        def call(target: Target) -> tuple[int, list[Explanation]]:
            return self._client.explain(ask.texts, target.version, ask.deadline.left_s)

        _, (version, explanations) = _ask(ask.key, self._traffic.current(), call)
        return str(version), explanations


def _ask(
    key: str, traffic: Traffic, call: Callable[[Target], tuple[int, _Answer]]
) -> tuple[Target, tuple[int, _Answer]]:
    """Each version once, the next where the one before is gone."""
    *targets, last = fall_back(choose_target(traffic, key), traffic)
    for target in targets:
        try:
            return target, call(target)
        except ModelError as error:
            if not error.is_version_gone:
                raise
    return last, call(last)
