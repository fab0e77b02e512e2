"""Predict, whichever protocol asked."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from serving.model_server import json_answers, json_requests
from serving.model_server.descriptions import read_target
from serving.model_server.routes import ModelTarget
from serving.model_server.signature import DEFAULT_SIGNATURE, Array
from serving.model_server.statuses import Code, StatusError, invalid_argument
from serving.model_server.telemetry import EntryPoint, Telemetry
from serving.model_server.tensors import read_tensor, write_tensor
from serving.model_server.versions import Versions

if TYPE_CHECKING:
    from serving.model_server.servable import Servable


class Predictor:
    """Runs requests on the leased version and measures them; blocking, made for worker threads."""

    def __init__(self, versions: Versions, telemetry: Telemetry) -> None:
        self._versions, self._telemetry = versions, telemetry

    def predict_json(self, body: bytes, target: ModelTarget, deadline_at: float) -> bytes:
        """Answers a REST predict request.

        Args:
            body: JSON in the row or the column format.
            target: the model asked for.
            deadline_at: `time.monotonic()` after which the answer is useless.

        Raises:
            StatusError: the request cannot be answered.
        """
        with self._measured("REST", target.name):
            request = json_requests.parse_body(body)
            with self._versions.lease(target) as servable:
                signature = servable.signatures.get(request.signature_name)
                if signature is None:
                    raise invalid_argument(
                        f'Serving signature name: "{request.signature_name}" not found in signature def'
                    )
                layout, inputs = json_requests.decode_inputs(request.document, signature.inputs)
                outputs = self._run(servable, request.signature_name, inputs, None, deadline_at)
            return json_answers.encode_outputs(outputs, layout)

    def predict_proto(self, request: PredictRequest, deadline_at: float | None) -> PredictResponse:
        """Answers a gRPC predict request.

        Args:
            request: names the model, its inputs, and the outputs wanted.
            deadline_at: `time.monotonic()` after which the answer is useless; None for never.

        Raises:
            StatusError: the request cannot be answered.
        """
        spec, wanted = request.model_spec, tuple(request.output_filter)
        with self._measured("GRPC", spec.name), self._versions.lease(read_target(request)) as servable:
            name = spec.signature_name or DEFAULT_SIGNATURE
            signature = servable.signatures.get(name)
            if signature is None:
                raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
            signature.check_names(request.inputs, wanted)
            inputs = {key: read_tensor(key, request.inputs[key], dtype) for key, dtype in signature.inputs.items()}
            outputs = self._run(servable, name, inputs, wanted or None, deadline_at)
            response = PredictResponse(outputs={key: write_tensor(array) for key, array in outputs.items()})
            response.model_spec.name, response.model_spec.signature_name = spec.name, name
            response.model_spec.version.value = servable.version
            return response

    def _run(
        self,
        servable: "Servable",
        signature_name: str,
        inputs: Mapping[str, Array],
        outputs: tuple[str, ...] | None,
        deadline_at: float | None,
    ) -> dict[str, Array]:
        started = time.perf_counter()
        answer = servable.run(signature_name, inputs, outputs, deadline_at)
        self._telemetry.observe_runtime(time.perf_counter() - started)
        return answer

    @contextmanager
    def _measured(self, entry_point: EntryPoint, model_name: str) -> Iterator[None]:
        started = time.perf_counter()
        code = Code.INTERNAL
        try:
            yield
            code = Code.OK
        except StatusError as error:
            code = error.code
            raise
        finally:
            self._telemetry.count_request(model_name, code)
            if code is Code.OK:
                self._telemetry.observe_request(entry_point, time.perf_counter() - started)
