"""Routes for programs: predict, explain, health, metrics."""

from flask import Blueprint, Response, g, request
from pydantic import BaseModel
from spectree import Response as Answers
from spectree import SpecTree

from serving.gateway.admission import Admission
from serving.gateway.answers import Explanations, Failure, Health, Predictions, Readiness
from serving.gateway.bodies import read_body
from serving.gateway.calls import Ask
from serving.gateway.config import GatewayConfig
from serving.gateway.context import read_model_context, read_shown_context
from serving.gateway.deadlines import TIMEOUT_HEADER, Deadline
from serving.gateway.documentation import Choices, Wishes
from serving.gateway.languages import Language, read_language, translate_explanation, translate_prediction
from serving.gateway.model_client import ModelClient
from serving.gateway.prediction_ids import PREDICTION_HEADER, make_prediction_id
from serving.gateway.predictor import Predictor
from serving.gateway.questions import ExplainedQuestion, Question
from serving.gateway.routing import KEY_HEADER
from serving.monitoring.metrics import GatewayMetrics

_PROBLEMS = dict.fromkeys(("HTTP_400", "HTTP_413", "HTTP_415", "HTTP_429", "HTTP_500", "HTTP_503", "HTTP_504"), Failure)


def make_api(
    config: GatewayConfig,
    spec: SpecTree,
    client: ModelClient,
    predictor: Predictor,
    admission: Admission,
    metrics: GatewayMetrics,
) -> Blueprint:
    """The routes over one predictor, described in `spec`."""
    api = Blueprint("api", __name__)
    reader = config.feature_reader

    @api.post("/api/v1/predict")
    @spec.validate(
        query=Choices,
        headers=Wishes,
        json=Question,
        resp=Answers(HTTP_200=Predictions, **_PROBLEMS),
        skip_validation=True,
        operation_id="predict",
    )
    def predict() -> Response:
        """Sentiment and tastes of one text or many."""
        with admission.enter():
            deadline, language = _deadline(config), _language()
            question = read_body(request, Question)
            ask = _ask(question, read_model_context(question, reader), deadline)
            answerer, predictions = predictor.predict(ask)
            g.model_version = str(answerer.version)
            answer = Predictions.model_construct(
                prediction_id=make_prediction_id(*answerer),
                model_version=g.model_version,
                predictions=[translate_prediction(prediction, language) for prediction in predictions],
                context=dict(read_shown_context(question, reader)),
            )
            response = _json(answer, language)
            response.headers[PREDICTION_HEADER] = answer.prediction_id
            return response

    @api.post("/api/v1/explain")
    @spec.validate(
        query=Choices,
        headers=Wishes,
        json=ExplainedQuestion,
        resp=Answers(HTTP_200=Explanations, HTTP_501=Failure, **_PROBLEMS),
        skip_validation=True,
        operation_id="explain",
    )
    def explain() -> Response:
        """What each word of the texts did for the named sentiment."""
        with admission.enter():
            deadline, language = _deadline(config), _language()
            question = read_body(request, ExplainedQuestion)
            g.model_version, explanations = predictor.explain(_ask(question, None, deadline))
            answer = Explanations.model_construct(
                model_version=g.model_version,
                explanations=[translate_explanation(explanation, language) for explanation in explanations],
            )
            return _json(answer, language)

    @api.get("/healthz")
    @spec.validate(resp=Answers(HTTP_200=Health), skip_validation=True, operation_id="healthz")
    def healthz() -> Response:
        """Whether the gateway runs."""
        return _json(Health(status="ok"))

    @api.get("/readyz")
    @spec.validate(
        resp=Answers(HTTP_200=Readiness, HTTP_503=Failure, HTTP_504=Failure),
        skip_validation=True,
        operation_id="readyz",
    )
    def readyz() -> Response:
        """Whether a model answers behind the gateway."""
        version = client.available_version(config.timeout_s)
        return _json(Readiness(status="ready", model_version=str(version)))

    @api.get("/metrics")
    def show_metrics() -> Response:
        body, content_type = metrics.render(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    return api


def _ask(question: Question, context: list[float] | None, deadline: Deadline) -> Ask:
    texts = question.all_texts
    key = request.headers.get(KEY_HEADER) or "\n".join(texts)
    return Ask(texts, context, key, deadline, g.trace_id)


def _deadline(config: GatewayConfig) -> Deadline:
    return Deadline.read(request.headers.get(TIMEOUT_HEADER), config.timeout_s)


def _language() -> Language | None:
    return read_language(request.args.get("lang"), request.accept_languages)


def _json(answer: BaseModel, language: Language | None = None) -> Response:
    response = Response(answer.model_dump_json(), mimetype="application/json")
    if language is not None:
        response.content_language.add(language)
    return response
