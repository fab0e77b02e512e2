"""Asks the champion and a new version the same texts before any visitor's request reaches the new one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from sazon.errors import DataError
from sazon.schema import INPUT_TEXT, MODEL_NAME, OUTPUT_SENTIMENT, OUTPUT_TASTES
from sazon.settings import RolloutSettings

_TIMEOUT_S = 10.0
_DT_STRING = 7


@dataclass(frozen=True)
class Answer:
    """What a version said of one text, and how long it took; None where it failed."""

    said: tuple[bytes, bytes] | None
    seconds: float


def read_texts(files: Sequence[Path], limit: int, recent: Path | None = None) -> list[str]:
    """Texts to replay, spread evenly over the files.

    Args:
        files: with a column `text`; none for the shipped golden set.
        limit: texts at most.
        recent: one more such file, if it is there.

    Raises:
        DataError: a file cannot be read, or has no column `text`.
    """
    from data import CASES, HARD
    from data.reading import read_cells

    texts: list[str] = []
    for path in [*(files or (HARD, CASES)), *([recent] if recent is not None and recent.exists() else [])]:
        table = read_cells(path)
        if "text" not in table:
            raise DataError(f"{path}: has no column text")
        texts += [text for text in table["text"] if text]
    stride = max(1.0, len(texts) / max(1, limit))
    return [texts[int(place * stride)] for place in range(min(limit, len(texts)))]


def replay(address: str, champion: int, candidate: int, texts: Sequence[str]) -> dict[str, Any]:
    """Asks both versions in turn, one text at a time.

    Args:
        address: gRPC of a model server that holds both.
        champion: the version compared with.
        candidate: the new version.
        texts: what to ask.

    Returns:
        `texts`, `failed` (by the candidate alone), `champion_failed`, `agreement` and `taste_agreement` (shares of the
        texts that both answered), `median_ms` and `champion_median_ms`.
    """
    with grpc.insecure_channel(address) as channel:
        pairs = [(_ask(channel, champion, text), _ask(channel, candidate, text)) for text in texts]
    both = [(old.said, new.said) for old, new in pairs if old.said is not None and new.said is not None]
    shares = [sum(old[part] == new[part] for old, new in both) / len(both) if both else 0.0 for part in (0, 1)]
    return {
        "texts": len(texts),
        "failed": sum(new.said is None and old.said is not None for old, new in pairs),
        "champion_failed": sum(old.said is None for old, _ in pairs),
        "agreement": round(shares[0], 4),
        "taste_agreement": round(shares[1], 4),
        "median_ms": round(1000 * median(new.seconds for _, new in pairs), 3),
        "champion_median_ms": round(1000 * median(old.seconds for old, _ in pairs), 3),
    }


def complaint(figures: dict[str, Any], settings: RolloutSettings) -> str:
    """What is wrong with a replay; empty if nothing is.

    The texts are fixed, so these are plain limits: no chance is involved but in the latency, whose limit is wide.
    """
    allowed = settings.error_margin * figures["texts"]
    if figures["failed"] > allowed:
        return f"failed on {figures['failed']} of {figures['texts']} texts that the champion answered"
    for name, least in (("agreement", settings.agreement), ("taste_agreement", settings.taste_agreement)):
        if figures[name] < least:
            return f"{name.replace('_', ' ')} with the champion is {figures[name]:.1%}, want {least:.1%}"
    if figures["median_ms"] > settings.replay_slowdown * figures["champion_median_ms"]:
        return f"its median is {figures['median_ms']:.1f} ms, the champion's {figures['champion_median_ms']:.1f} ms"
    return ""


def _ask(channel: Any, version: int, text: str) -> Answer:
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    request = PredictRequest()
    request.model_spec.name, request.model_spec.version.value = MODEL_NAME, version
    request.inputs[INPUT_TEXT].dtype = _DT_STRING
    request.inputs[INPUT_TEXT].tensor_shape.dim.add(size=1)
    request.inputs[INPUT_TEXT].string_val.append(text.encode())
    started_s = time.perf_counter()
    try:
        outputs = PredictionServiceStub(channel).Predict(request, timeout=_TIMEOUT_S).outputs
        said = outputs[OUTPUT_SENTIMENT].string_val[0], outputs[OUTPUT_TASTES].string_val[0]
    except (grpc.RpcError, IndexError):
        return Answer(None, time.perf_counter() - started_s)
    return Answer(said, time.perf_counter() - started_s)
