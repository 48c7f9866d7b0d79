"""Holds single layers against PyTorch's, and prints how far they are apart.

    python tests/against_torch_layers.py target/release/rnet      (needs torch and safetensors)

A network of a convolution of single pixels, the layer and a dense layer runs on two images of noise, by native code and by the reference
evaluator; PyTorch computes the same in double precision. The numbers are the greatest difference of logits and gradients, each the norm of the
difference over the norm of the answer: at most 1e-5 by native code, 1e-12 by the reference.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

# Extents of the images, the layer, PyTorch's.
LAYERS = [
    ((9, 9), "adaptive_max_pool([5, 2])", lambda x: F.adaptive_max_pool2d(x, (5, 2))),
    ((9, 9), "adaptive_max_pool(1)", lambda x: F.adaptive_max_pool2d(x, 1)),
    ((7, 7), "adaptive_max_pool([5, 11])", lambda x: F.adaptive_max_pool2d(x, (5, 11))),
    ((8, 12), "adaptive_max_pool([2, 3])", lambda x: F.adaptive_max_pool2d(x, (2, 3))),
    ((56, 56), "adaptive_max_pool([7, 5])", lambda x: F.adaptive_max_pool2d(x, (7, 5))),
    ((9, 9), "adaptive_avg_pool([5, 2])", lambda x: F.adaptive_avg_pool2d(x, (5, 2))),
    ((7, 7), "adaptive_avg_pool([5, 11])", lambda x: F.adaptive_avg_pool2d(x, (5, 11))),
    ((8, 12), "adaptive_avg_pool([2, 3])", lambda x: F.adaptive_avg_pool2d(x, (2, 3))),
    ((9, 10), "max_pool(3, stride = 2, ceil = true)", lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)),
    ((9, 10), "max_pool([2, 3], stride = 1, pad = [1, 0], dilation = [2, 1])", lambda x: F.max_pool2d(x, (2, 3), 1, (1, 0), (2, 1))),
    ((9, 10), "avg_pool(3, stride = 2, pad = 1, ceil = true)", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
    ((5, 6), "upsample([2, 3])", lambda x: F.interpolate(x, scale_factor=(2, 3))),
    ((5, 6), 'upsample([2, 3], mode = "bilinear")', lambda x: F.interpolate(x, scale_factor=(2, 3), mode="bilinear")),
    ((5, 6), "local_response_norm(5, alpha = 0.1)", lambda x: F.local_response_norm(x, 5, alpha=0.1)),
    ((5, 6), "group_norm(2)", lambda x: F.group_norm(x, 2)),
    ((5, 6), "layer_norm", lambda x: F.layer_norm(x.movedim(1, -1), [x.shape[1]]).movedim(-1, 1)),
    ((5, 6), "softmax", lambda x: F.softmax(x, 1)),
    ((5, 6), "relu6", F.relu6),
    ((5, 6), "leaky_relu(0.2)", lambda x: F.leaky_relu(x, 0.2)),
    ((5, 6), "sigmoid", torch.sigmoid),
    ((5, 6), "tanh", torch.tanh),
    ((5, 6), "gelu", F.gelu),
    ((5, 6), 'gelu(approximate = "tanh")', lambda x: F.gelu(x, approximate="tanh")),
    ((5, 6), "silu", F.silu),
    ((5, 6), "hardsigmoid", F.hardsigmoid),
    ((5, 6), "hardswish", F.hardswish),
]
CHANNELS, CLASSES = 4, 5


def hold(rnet, extents, layer, of_torch, directory):
    """The greatest difference by native code, and by the reference evaluator."""
    model, weights, batch, out, reference = (str(directory / name) for name in ("m.rnet", "weights", "batch", "out", "reference"))
    body = f"conv: conv1x1({CHANNELS}) -> {layer} -> flatten -> fc: dense({CLASSES})"
    pathlib.Path(model).write_text(f"model m {{ input image: f32[N, 3, {extents[0]}, {extents[1]}]\n image -> {body} }}\n")
    torch.manual_seed(1)
    image, label = torch.randn(2, 3, *extents), torch.tensor([1, 3])
    conv = torch.randn(CHANNELS, 3, 1, 1)
    features = of_torch(F.conv2d(image, conv)).flatten(1).shape[1]
    tensors = {"conv.weight": conv, "fc.weight": torch.randn(CLASSES, features) / features**0.5, "fc.bias": torch.randn(CLASSES)}
    # The scales and biases of norms stay as they begin.
    norm = {"layer_norm": "ln1", "group_norm": "gn1"}.get(layer.split("(")[0])
    idle = {f"{norm}.weight": torch.ones(CHANNELS), f"{norm}.bias": torch.zeros(CHANNELS)} if norm else {}
    save_file({**tensors, **idle}, weights)
    save_file({"image": image, "label": label}, batch)
    files = ["--weights", weights, "--batch", batch, "--out", out, "--reference", reference]
    subprocess.run([rnet, "grad", model, *files], check=True)

    double = {name: tensor.double().requires_grad_() for name, tensor in tensors.items()}
    hidden = of_torch(F.conv2d(image.double(), double["conv.weight"]))
    logits = F.linear(hidden.flatten(1), double["fc.weight"], double["fc.bias"])
    F.cross_entropy(logits, label).backward()
    wanted = {"logits": logits.detach(), **{f"grad.{name}": tensor.grad for name, tensor in double.items()}}
    apart = lambda found: max(float((found[name].double() - tensor).norm() / tensor.norm()) for name, tensor in wanted.items())
    return apart(load_file(out)), apart(load_file(reference))


def main():
    wrong = []
    print("| layer | native | reference |\n|---|---|---|")
    for extents, layer, of_torch in LAYERS:
        with tempfile.TemporaryDirectory() as directory:
            native, reference = hold(sys.argv[1], extents, layer, of_torch, pathlib.Path(directory))
        print(f"| {layer} | {native:.1e} | {reference:.1e} |", flush=True)
        if not (native <= 1e-5 and reference <= 1e-12):
            wrong.append(layer)
    if wrong:
        sys.exit(f"{', '.join(wrong)}: not what PyTorch gives")


if __name__ == "__main__":
    main()
