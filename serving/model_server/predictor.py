"""Inference requests, whichever protocol asked: leases the version, runs it, measures."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from tensorflow_serving.apis.classification_pb2 import ClassificationRequest, ClassificationResponse
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from serving.model_server import examples, json_examples, predictions
from serving.model_server.batching import Batcher
from serving.model_server.catalogue import Catalogue
from serving.model_server.descriptions import read_spec, read_target
from serving.model_server.json_answers import encode_outputs
from serving.model_server.json_requests import parse_body
from serving.model_server.routes import ModelTarget, Route
from serving.model_server.signature import Array
from serving.model_server.statuses import Code, StatusError, invalid_argument
from serving.model_server.telemetry import Api, EntryPoint, Telemetry

if TYPE_CHECKING:
    from serving.model_server.servable import Servable

_REST: Final[EntryPoint] = "REST"
_GRPC: Final[EntryPoint] = "GRPC"


class Predictor:
    """Answers requests; blocking, made for worker threads.

    `deadline_at` is the `time.monotonic()` after which an answer is useless; None for never. All methods raise
    `StatusError` where a request cannot be answered.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        telemetry: Telemetry,
        check_method_names: bool = False,
        batcher: Batcher | None = None,
    ) -> None:
        self._catalogue, self._telemetry = catalogue, telemetry
        self._check_method_names, self._batcher = check_method_names, batcher

    def answer_json(self, route: Route, body: bytes, deadline_at: float) -> bytes:
        """Answers the body of a REST request."""
        answer = {"classify": self._classify_json, "regress": self._regress_json}.get(route.action, self._predict_json)
        try:
            return answer(body, route.target, deadline_at)
        except RecursionError:
            raise invalid_argument("JSON Value is nested too deeply") from None

    def predict(self, request: PredictRequest, deadline_at: float | None) -> PredictResponse:
        """Answers a gRPC Predict request."""
        name = request.model_spec.name
        with self._measured("Predict", _GRPC, name), self._catalogue.lease(read_target(request)) as servable:
            return predictions.predict(servable, request, self._runner(servable, "Predict", name, deadline_at))

    def classify(
        self, request: ClassificationRequest, deadline_at: float | None, entry_point: EntryPoint = _GRPC
    ) -> ClassificationResponse:
        """Answers a Classify request."""
        with self._measured("Classify", entry_point, request.model_spec.name):
            target = read_target(request)
            with self._catalogue.lease(target) as servable:
                self._telemetry.count_examples(target.name, examples.count_examples(request.input))
                run = self._runner(servable, "Classify", target.name, deadline_at)
                result = examples.classify(servable, request.model_spec, request.input, run, self._check_method_names)
                spec = examples.answered_spec(servable, request.model_spec)
            return ClassificationResponse(model_spec=spec, result=result)

    def regress(
        self, request: RegressionRequest, deadline_at: float | None, entry_point: EntryPoint = _GRPC
    ) -> RegressionResponse:
        """Answers a Regress request."""
        with self._measured("Regress", entry_point, request.model_spec.name):
            target = read_target(request)
            with self._catalogue.lease(target) as servable:
                self._telemetry.count_examples(target.name, examples.count_examples(request.input))
                run = self._runner(servable, "Regress", target.name, deadline_at)
                result = examples.regress(servable, request.model_spec, request.input, run, self._check_method_names)
                spec = examples.answered_spec(servable, request.model_spec)
            return RegressionResponse(model_spec=spec, result=result)

    def infer(self, request: MultiInferenceRequest, deadline_at: float | None) -> MultiInferenceResponse:
        """Answers a gRPC MultiInference request."""
        spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
        with self._measured("MultiInference", _GRPC, spec.name), self._catalogue.lease(read_spec(spec)) as servable:
            self._telemetry.count_examples(spec.name, examples.count_examples(request.input))
            run = self._runner(servable, "MultiInference", spec.name, deadline_at)
            return examples.infer(servable, request, run, self._check_method_names)

    def _predict_json(self, body: bytes, target: ModelTarget, deadline_at: float) -> bytes:
        with self._measured("Predict", _REST, target.name):
            request = parse_body(body)
            with self._catalogue.lease(target) as servable:
                run = self._runner(servable, "Predict", target.name, deadline_at)
                layout, outputs = predictions.predict_json(servable, request, run)
            return encode_outputs(outputs, layout)

    def _classify_json(self, body: bytes, target: ModelTarget, deadline_at: float) -> bytes:
        parsed = parse_body(body)
        spec, given = _spec(target, parsed.signature_name), json_examples.decode_examples(parsed.document)
        request = ClassificationRequest(model_spec=spec, input=given)
        return json_examples.encode_classes(self.classify(request, deadline_at, _REST).result)

    def _regress_json(self, body: bytes, target: ModelTarget, deadline_at: float) -> bytes:
        parsed = parse_body(body)
        spec, given = _spec(target, parsed.signature_name), json_examples.decode_examples(parsed.document)
        request = RegressionRequest(model_spec=spec, input=given)
        return json_examples.encode_values(self.regress(request, deadline_at, _REST).result)

    def _runner(self, servable: "Servable", api: Api, model_name: str, deadline_at: float | None) -> predictions.Run:
        run = servable.run if self._batcher is None else partial(self._batcher.run, servable)

        def measured(
            signature: str, inputs: Mapping[str, Array], outputs: tuple[str, ...] | None = None
        ) -> dict[str, Array]:
            started = time.perf_counter()
            answer = run(signature, inputs, outputs, deadline_at)
            self._telemetry.observe_runtime(model_name, api, time.perf_counter() - started)
            return answer

        return measured

    @contextmanager
    def _measured(self, api: Api, entry_point: EntryPoint, model_name: str) -> Iterator[None]:
        started = time.perf_counter()
        code = Code.INTERNAL
        try:
            yield
            code = Code.OK
        except StatusError as error:
            code = error.code
            raise
        finally:
            # Names that clients invent would grow the metrics without bound.
            if model_name in self._catalogue:
                self._telemetry.count_request(model_name, code)
            if code is Code.OK:
                self._telemetry.observe_request(model_name, api, entry_point, time.perf_counter() - started)


def _spec(target: ModelTarget, signature_name: str) -> ModelSpec:
    spec = ModelSpec(name=target.name, signature_name=signature_name)
    if target.version is not None:
        spec.version.value = target.version
    if target.label is not None:
        spec.version_label = target.label
    return spec
