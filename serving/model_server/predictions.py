"""Predict on a leased version: named tensors in, named tensors out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from serving.model_server import json_requests
from serving.model_server.signature import DEFAULT_SIGNATURE, Array
from serving.model_server.statuses import Code, StatusError, invalid_argument
from serving.model_server.tensors import read_tensor, write_tensor

if TYPE_CHECKING:
    from serving.model_server.servable import Servable


class Run(Protocol):
    """Runs the leased version: signature, inputs, and the outputs wanted (None for all)."""

    def __call__(  # noqa: D102
        self, signature: str, inputs: Mapping[str, Array], outputs: tuple[str, ...] | None = None
    ) -> dict[str, Array]: ...


def predict(servable: "Servable", request: PredictRequest, run: Run) -> PredictResponse:
    """Answers a gRPC predict request.

    Raises:
        StatusError: the request does not fit the model, or the model refuses it.
    """
    spec, wanted = request.model_spec, tuple(request.output_filter)
    name = spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    signature.check_names(request.inputs, wanted)
    inputs = {key: read_tensor(key, request.inputs[key], dtype) for key, dtype in signature.inputs.items()}
    outputs = run(name, inputs, wanted or None)
    response = PredictResponse(outputs={key: write_tensor(array) for key, array in outputs.items()})
    response.model_spec.name, response.model_spec.signature_name = spec.name, name
    response.model_spec.version.value = servable.version
    return response


def predict_json(
    servable: "Servable", request: json_requests.PredictBody, run: Run
) -> tuple[json_requests.Layout, dict[str, Array]]:
    """Answers a REST predict request with arrays; see `json_answers.encode_outputs`.

    Raises:
        StatusError: the request does not fit the model, or the model refuses it.
    """
    signature = servable.signatures.get(request.signature_name)
    if signature is None:
        raise invalid_argument(f'Serving signature name: "{request.signature_name}" not found in signature def')
    layout, inputs = json_requests.decode_inputs(request.document, signature.inputs)
    return layout, run(request.signature_name, inputs)
