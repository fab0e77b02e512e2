"""The classifier as an ONNX graph, written operation by operation: token ids in, probabilities out.

Texts are tokenised outside, by the tokeniser's files beside the graph: ONNX has no operation for it.
"""

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.bert.taste_model import TasteModel
from models.bert.weights import array
from models.checkpoints.finetuned import Answering
from sazon.schema import OUTPUT_SENTIMENT_PROBS, OUTPUT_TASTE_PROBS, SENTIMENTS, TASTES

_OPSET: Final = 17  # the first with LayerNormalization
_IDS, _MASK = "input_ids", "attention_mask"
_MASKED: Final = -1e9


class _Graph:
    """Nodes and constants under way; every method gives the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        made = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [made], **attributes))
        return made

    def constant(self, value: Any) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def linear(self, x: str, layer: Any, scale: float = 1.0) -> str:
        product = self.op("MatMul", x, self.constant(array(layer.kernel) * np.float32(scale)))
        return self.op("Add", product, self.constant(array(layer.bias) * np.float32(scale)))

    def norm(self, x: str, layer: Any) -> str:
        gamma, beta = self.constant(array(layer.gamma)), self.constant(array(layer.beta))
        return self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=layer.epsilon)

    def activation(self, x: str, kind: str) -> str:
        if kind == "relu":
            return self.op("Relu", x)
        if kind == "gelu":
            below = self.op("Erf", self.op("Mul", x, self.constant(np.float32(math.sqrt(0.5)))))
        else:
            cube = self.op("Mul", self.op("Mul", x, x), x)
            inner = self.op("Add", x, self.op("Mul", cube, self.constant(np.float32(0.044715))))
            below = self.op("Tanh", self.op("Mul", inner, self.constant(np.float32(math.sqrt(2 / math.pi)))))
        half = self.op("Mul", x, self.constant(np.float32(0.5)))
        return self.op("Mul", half, self.op("Add", below, self.constant(np.float32(1))))


def write_onnx(path: Path, model: TasteModel, answering: Answering) -> None:
    """Writes the graph.

    Inputs are `input_ids` and `attention_mask`, (batch, tokens) int64; outputs the probabilities that are served.

    Args:
        path: of the .onnx file.
        model: the classifier.
        answering: for the temperature.
    """
    graph = _Graph()
    hidden = _embeddings(graph, model)
    bias = graph.op("Cast", _MASK, to=TensorProto.FLOAT)
    bias = graph.op("Mul", graph.op("Sub", bias, graph.constant(np.float32(1))), graph.constant(np.float32(-_MASKED)))
    bias = graph.op("Unsqueeze", bias, graph.constant(np.array([1, 2])))
    for layer in model.encoder.layers:
        hidden = _layer(graph, layer, hidden, bias, model.encoder.size.activation)
    first = graph.op("Gather", hidden, graph.constant(np.int64(0)), axis=1)
    pooled = graph.op("Tanh", graph.linear(first, model.encoder.pooler))
    sentiment = graph.linear(pooled, model.sentiment_head, 1 / answering.temperature)
    graph.op("Softmax", sentiment, axis=-1, name=OUTPUT_SENTIMENT_PROBS)
    graph.op("Sigmoid", graph.linear(pooled, model.taste_head), name=OUTPUT_TASTE_PROBS)
    onnx.save(_model(graph), str(path))


def _embeddings(graph: _Graph, model: TasteModel) -> str:
    encoder = model.encoder
    words = graph.op("Gather", graph.constant(array(encoder.words)), _IDS)
    length = graph.op("Gather", graph.op("Shape", _IDS), graph.constant(np.array([1])))
    zero = graph.constant(np.array([0]))
    positions = graph.op("Slice", graph.constant(array(encoder.positions)), zero, length, zero)
    return graph.norm(graph.op("Add", words, positions), encoder.norm)


def _layer(graph: _Graph, layer: Any, hidden: str, bias: str, activation: str) -> str:
    size = layer.hidden // layer.heads
    apart = graph.constant(np.array([0, 0, layer.heads, size]))
    query, key, value = (
        graph.op("Reshape", part, apart) for part in _split(graph, graph.linear(hidden, layer.qkv), layer.hidden)
    )
    query, value = (graph.op("Transpose", part, perm=[0, 2, 1, 3]) for part in (query, value))
    scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 2, 3, 1]))
    scores = graph.op("Add", graph.op("Mul", scores, graph.constant(np.float32(size**-0.5))), bias)
    mixed = graph.op("Transpose", graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value), perm=[0, 2, 1, 3])
    mixed = graph.op("Reshape", mixed, graph.constant(np.array([0, 0, layer.hidden])))
    hidden = graph.norm(graph.op("Add", hidden, graph.linear(mixed, layer.attended)), layer.attention_norm)
    inner = graph.activation(graph.linear(hidden, layer.inner), activation)
    return graph.norm(graph.op("Add", hidden, graph.linear(inner, layer.outer)), layer.output_norm)


def _split(graph: _Graph, qkv: str, hidden: int) -> list[str]:
    names = [f"part_{len(graph.nodes)}_{index}" for index in range(3)]
    graph.nodes.append(helper.make_node("Split", [qkv, graph.constant(np.array([hidden] * 3))], names, axis=-1))
    return names


def _model(graph: _Graph) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in (_IDS, _MASK)]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", len(labels)])
        for name, labels in ((OUTPUT_SENTIMENT_PROBS, SENTIMENTS), (OUTPUT_TASTE_PROBS, TASTES))
    ]
    made = helper.make_graph(graph.nodes, "taste", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = 8  # what runtimes of the opset's time read
    onnx.checker.check_model(model)
    return model
