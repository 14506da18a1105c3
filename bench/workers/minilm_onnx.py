"""all-MiniLM-L6-v2 for onnxruntime: a model of plain operators, made with the onnx package from the weights."""

import math
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "integration", "support"))
from minilm_reference import load

HEADS, LAYERS, WIDTH, EPSILON = 12, 6, 384, 1e-12


class Builder:
    """Nodes and weights of a graph."""

    def __init__(self, weights):
        from onnx import helper, numpy_helper

        self.helper, self.numpy_helper = helper, numpy_helper
        self.weights, self.nodes, self.initializers = weights, [], {}

    def constant(self, name, array):
        if name not in self.initializers:
            array = np.atleast_1d(np.ascontiguousarray(array))
            self.initializers[name] = self.numpy_helper.from_array(array, name)
        return name

    def add(self, op, *inputs, **attributes):
        output = f"value_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def dense(self, x, name):
        product = self.add("MatMul", x, self.constant(name + ".weight", self.weights[name + ".weight"].T))
        return self.add("Add", product, self.constant(name + ".bias", self.weights[name + ".bias"]))

    def norm(self, x, name):
        scale, bias = (self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def heads(self, x, order):
        shape = self.constant("heads", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=order)

    def gelu(self, x):
        scaled = self.add("Mul", x, self.constant("root", np.float32(math.sqrt(0.5))))
        one = self.constant("one", np.float32(1))
        half = self.constant("half", np.float32(0.5))
        return self.add("Mul", self.add("Mul", x, self.add("Add", self.add("Erf", scaled), one)), half)


def model(weights):
    from onnx import TensorProto

    b = Builder(weights)
    words = b.add("Gather", b.constant("words", weights["embeddings.word_embeddings.weight"]), "ids")
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    length = b.add("Gather", b.add("Shape", "ids"), b.constant("second", np.array([1], np.int64)))
    places = b.add("Slice", b.constant("places", places), b.constant("zero", np.array([0], np.int64)), length)
    x = b.norm(b.add("Add", words, places), "embeddings.LayerNorm")
    scale = b.constant("scale", np.float32(1 / math.sqrt(WIDTH // HEADS)))
    joined = b.constant("joined", np.array([0, 0, WIDTH], np.int64))
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        query, key, value = (b.dense(x, f"{at}attention.self.{name}") for name in ("query", "key", "value"))
        scores = b.add("Mul", b.add("MatMul", b.heads(query, [0, 2, 1, 3]), b.heads(key, [0, 2, 3, 1])), scale)
        attended = b.add("MatMul", b.add("Softmax", scores, axis=-1), b.heads(value, [0, 2, 1, 3]))
        attended = b.add("Reshape", b.add("Transpose", attended, perm=[0, 2, 1, 3]), joined)
        x = b.norm(b.add("Add", b.dense(attended, at + "attention.output.dense"), x), at + "attention.output.LayerNorm")
        hidden = b.gelu(b.dense(x, at + "intermediate.dense"))
        x = b.norm(b.add("Add", b.dense(hidden, at + "output.dense"), x), at + "output.LayerNorm")
    mean = b.add("ReduceMean", x, b.constant("axis", np.array([1], np.int64)), keepdims=0)
    length = b.add("ReduceL2", mean, b.constant("axis", np.array([1], np.int64)), keepdims=1)
    b.nodes.append(b.helper.make_node("Div", [mean, length], ["embedding"]))
    graph = b.helper.make_graph(
        b.nodes,
        "minilm",
        [b.helper.make_tensor_value_info("ids", TensorProto.INT64, ["rows", "length"])],
        [b.helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["rows", WIDTH])],
        list(b.initializers.values()),
    )
    return b.helper.make_model(graph, opset_imports=[b.helper.make_opsetid("", 18)], ir_version=9)


def session(folder, threads):
    """The model of a folder, ready to run on so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    made = model(load(f"{folder}/model.safetensors")).SerializeToString()
    return onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])
