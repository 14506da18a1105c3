"""Exports a model of LAYERS layers for tokens of WIDTH numbers with MLX. Usage: export_model.py FILE LAYERS WIDTH"""

import sys

import mlx.core as mx

mx.set_default_device(mx.cpu)
path, layers, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def weights():
    shapes = {"norm": (width,), "gate": (width, 4 * width), "up": (width, 4 * width), "down": (4 * width, width)}
    return {name: mx.random.uniform(-1, 1, shape) / width**0.5 for name, shape in shapes.items()}


model = [weights() for _ in range(layers)]
mx.eval(model)


def forward(x):
    for layer in model:
        norm = mx.fast.rms_norm(x, layer["norm"], 1e-5)
        gate = norm @ layer["gate"]
        x = x + (gate * mx.sigmoid(gate) * (norm @ layer["up"])) @ layer["down"]
    return x


mx.export_function(path, forward, mx.zeros((16, width)))
