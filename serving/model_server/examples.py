"""Classify, regress and multi-inference on a leased version: examples (tf.Example) in, classes or values out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.model_server.predictions import Run
from serving.model_server.signature import DEFAULT_SIGNATURE, Array
from serving.model_server.statuses import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from serving.model_server.servable import Servable

CLASSIFY: Final = "tensorflow/serving/classify"
REGRESS: Final = "tensorflow/serving/regress"
INPUTS: Final = "inputs"
CLASSES: Final = "classes"
SCORES: Final = "scores"
OUTPUTS: Final = "outputs"

_KINDS: Final = {CLASSIFY: "classification", REGRESS: "regression"}


def serialise_examples(given: Input) -> Array:
    """The examples as the graph parses them.

    Returns:
        (examples,) bytes; a context stands before each example, so that the example's own features win.

    Raises:
        StatusError: there are none.
    """
    context, examples = b"", given.example_list.examples
    if given.WhichOneof("kind") == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
        examples = given.example_list_with_context.examples
    if not examples:
        raise invalid_argument("Input is empty.")
    array = np.empty(len(examples), np.object_)
    array[:] = [context + example.SerializeToString() for example in examples]
    return array


def classify(servable: "Servable", spec: ModelSpec, given: Input, run: Run, check: bool) -> ClassificationResult:
    """Classes and scores of each example.

    Args:
        servable: the leased version.
        spec: names the signature.
        given: the examples.
        run: runs the version.
        check: whether the signature has to be made for classification.

    Raises:
        StatusError: the signature does not classify, or the model refuses the examples.
    """
    name, signature = _find(servable, spec, CLASSIFY, check)
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    wanted = tuple(alias for alias in (CLASSES, SCORES) if alias in signature.outputs)
    if not wanted:
        raise StatusError(
            Code.FAILED_PRECONDITION,
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {signature}",
        )
    examples = serialise_examples(given)
    outputs = run(name, {INPUTS: examples}, wanted)
    for alias, array in outputs.items():
        _check_classes(alias, array, len(examples))
    classes, scores = outputs.get(CLASSES), outputs.get(SCORES)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    return _classification(classes, scores)


def regress(servable: "Servable", spec: ModelSpec, given: Input, run: Run, check: bool) -> RegressionResult:
    """One value an example; see `classify`."""
    name, signature = _find(servable, spec, REGRESS, check)
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    if OUTPUTS not in signature.outputs:
        raise StatusError(Code.FAILED_PRECONDITION, f"No regression outputs found in SignatureDef: {signature}")
    examples = serialise_examples(given)
    values = run(name, {INPUTS: examples}, (OUTPUTS,))[OUTPUTS]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid_argument(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(values.shape)}"
        )
    if len(values) != len(examples):
        raise invalid_argument(f"Input batch size did not match output batch size: {len(examples)} vs. {len(values)}")
    if values.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {_dtype(values)}")
    result = RegressionResult()
    for value in values.ravel().tolist():
        result.regressions.add(value=value)
    return result


def infer(servable: "Servable", request: MultiInferenceRequest, run: Run, check: bool) -> MultiInferenceResponse:
    """Several classifications and regressions of the same examples.

    Raises:
        StatusError: the tasks do not go together, or one of them cannot be answered.
    """
    _check_tasks(servable, request.tasks)
    response = MultiInferenceResponse()
    for task in request.tasks:
        result = response.results.add()
        if task.method_name == CLASSIFY:
            result.classification_result.CopyFrom(classify(servable, task.model_spec, request.input, run, check))
        else:
            result.regression_result.CopyFrom(regress(servable, task.model_spec, request.input, run, check))
        result.model_spec.CopyFrom(answered_spec(servable, task.model_spec))
    return response


def count_examples(given: Input) -> int:
    """How many examples a request brings."""
    kind = given.WhichOneof("kind")
    return len(getattr(given, kind).examples) if kind else 0


def answered_spec(servable: "Servable", spec: ModelSpec) -> ModelSpec:
    """The model spec of an answer: name, signature and the version that answered."""
    answered = ModelSpec(name=spec.name, signature_name=spec.signature_name or DEFAULT_SIGNATURE)
    answered.version.value = servable.version
    return answered


def _find(servable: "Servable", spec: ModelSpec, method: str, check: bool) -> tuple[str, SignatureDef]:
    name = spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signature_defs.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    if check and signature.method_name != method:
        raise invalid_argument(
            f"Expected {_KINDS[method]} signature method_name to be {method}. Was: {signature.method_name}"
        )
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if INPUTS not in signature.inputs:
        raise StatusError(Code.FAILED_PRECONDITION, f"No {_KINDS[method]} inputs found in SignatureDef: {signature}")
    return name, signature


def _check_tasks(servable: "Servable", tasks: Sequence[InferenceTask]) -> None:
    model_names: set[str] = set()
    signature_names: set[str] = set()
    tensors: set[str] = set()
    for task in tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if not task.model_spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        model_names.add(task.model_spec.name)
        if len(model_names) > 1:
            raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        if name in signature_names:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        signature_names.add(name)
        signature = servable.signature_defs.get(name)
        if signature is None:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        if task.method_name not in _KINDS:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        tensors.add(signature.inputs[INPUTS].name if INPUTS in signature.inputs else "")
        if len(tensors) > 1:
            raise invalid_argument("Input tensor must be the same for all Signatures.")


def _check_classes(alias: str, array: Array, examples: int) -> None:
    if array.ndim != 2:
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array.shape)}")
    kind, wanted = ("DT_STRING", np.object_) if alias == CLASSES else ("DT_FLOAT", np.float32)
    if array.dtype != wanted:
        raise invalid_argument(f"Expected {alias} Tensor of {kind}. Got: {_dtype(array)}")
    if len(array) != examples:
        raise invalid_argument(f"Expected {alias} output batch size of {examples}. Got: {len(array)}")


def _classification(classes: Array | None, scores: Array | None) -> ClassificationResult:
    labels = None if classes is None else classes.tolist()
    numbers = None if scores is None else scores.tolist()
    result = ClassificationResult()
    rows, columns = (scores if classes is None else classes).shape  # type: ignore[union-attr]
    for row in range(rows):
        entry = result.classifications.add()
        for column in range(columns):
            found = entry.classes.add()
            if labels is not None:
                found.label = labels[row][column].decode("utf-8", "replace")
            if numbers is not None:
                found.score = numbers[row][column]
    return result


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _dtype(array: Array) -> str:
    names = {"float32": "FLOAT", "float64": "DOUBLE", "object": "STRING", "float16": "HALF"}
    return f"DT_{names.get(array.dtype.name, array.dtype.name.upper())}"
