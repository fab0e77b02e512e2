"""What is known of the product and the region that a request names."""

from sazon.logging import get_logger
from serving.gateway.config import FeatureReader, Features
from serving.gateway.questions import Question

_log = get_logger("gateway")


def read_model_context(question: Question, reader: FeatureReader | None) -> list[float] | None:
    """What a model may know beside the texts; None where nothing is named, or nothing can be read."""
    if reader is None or not (question.product or question.region):
        return None
    try:
        return reader.read_context(question.product, question.region)
    except Exception:
        _log.exception("online features cannot be read; the model answers from the texts alone")
        return None


def read_shown_context(question: Question, reader: FeatureReader | None) -> Features:
    """The features that an answer shows; empty where they cannot be read."""
    if reader is None or question.product is None or question.region is None:
        return {}
    try:
        return reader.read(question.product, question.region)
    except Exception:
        _log.exception("online features cannot be read; the answer goes out without them")
        return {}
