"""Holds the networks of lang-examples against torchvision's, and prints the table of docs/zoo.md.

    python tests/against_torchvision.py target/release/rnet [NAME ..]      (needs torch, torchvision and safetensors)

Each network of torchvision's starts at random, is written under its own tensor names, and runs in training mode, without dropout, on
two images of noise, in double precision; `rnet grad` reads the same file. The numbers are norms of differences over norms of answers: of the
logits in evaluation and in training, and of the gradient of all parameters together; and the same for PyTorch in single precision, which takes
other sides of ReLU and max pooling here and there just as well. Running statistics are those of the same two images.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
import torchvision
from safetensors.torch import load_file, save_file

EXAMPLES = pathlib.Path(__file__).parent.parent / "lang-examples"

# Our file, torchvision's constructor.
NETWORKS = {
    "alexnet": "alexnet",
    "vgg11": "vgg11", "vgg11_bn": "vgg11_bn", "vgg13": "vgg13", "vgg13_bn": "vgg13_bn",
    "vgg16": "vgg16", "vgg16_bn": "vgg16_bn", "vgg19": "vgg19", "vgg19_bn": "vgg19_bn",
    "resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50", "resnet101": "resnet101", "resnet152": "resnet152",
    "resnext50": "resnext50_32x4d", "wide_resnet50_2": "wide_resnet50_2",
    "densenet121": "densenet121", "squeezenet": "squeezenet1_1", "mobilenet_v2": "mobilenet_v2", "googlenet": "googlenet",
}
WITH_DROPOUT = ("alexnet", "vgg", "squeezenet", "mobilenet", "googlenet")
# What the constructor takes besides: without it GoogLeNet starts by a slow function of scipy's.
ARGUMENTS = {"googlenet": {"init_weights": False}}


def hold(rnet, name, directory):
    torch.manual_seed(1)
    network = getattr(torchvision.models, NETWORKS[name])(weights=None, **ARGUMENTS.get(name, {})).train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.BatchNorm2d):
            # The running statistics become those of the first batch.
            module.momentum = None
    image, label = torch.randn(2, 3, 224, 224), torch.tensor([3, 7])
    with torch.no_grad():
        network(image)
    weights, batch, out = (str(directory / f"{part}.safetensors") for part in ("weights", "batch", "out"))
    tensors = {key: value.clone().contiguous() for key, value in network.state_dict().items() if "num_batches" not in key}
    save_file(tensors, weights)
    save_file({"image": image, "label": label}, batch)
    settings = ["--set", "model.drop=0.0"] if name.startswith(WITH_DROPOUT) else []
    settings += ["--set", "model.head_drop=0.0"] if name == "googlenet" else []
    # The loss of the files is smoothed.
    settings += ["--set", "train.loss=cross_entropy", "--evaluate"]
    subprocess.run([rnet, "grad", str(EXAMPLES / f"{name}.rnet"), "--weights", weights, "--batch", batch, "--out", out, *settings], check=True)
    found = load_file(out)
    gradient = {key[5:]: value for key, value in found.items() if key.startswith("grad.")}
    single = answers(network, image, label)
    network.load_state_dict(tensors, strict=False)
    wanted = answers(network.double(), image.double(), label)
    ours = found["evaluated"], found["logits"], gradient
    return [number for answer in (ours, single) for number in apart_from(answer, wanted)]


def apart_from(answer, wanted):
    """The logits in evaluation, those in training, the gradient."""
    return apart([answer[0]], [wanted[0]]), apart([answer[1]], [wanted[1]]), together(answer[2], wanted[2])


def answers(network, image, label):
    """The logits in evaluation, those in training, and the gradient of every parameter. Training moves the running statistics: it comes last."""
    with torch.no_grad():
        evaluated = network.eval()(image)
    network.train().zero_grad()
    logits = network(image)
    # GoogLeNet in training gives the logits of its auxiliary heads too.
    logits, *heads = logits if isinstance(logits, tuple) else [logits]
    cross_entropy = torch.nn.functional.cross_entropy
    (cross_entropy(logits, label) + sum(0.3 * cross_entropy(head, label) for head in heads)).backward()
    return evaluated, logits.detach(), {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def together(found, wanted):
    assert set(found) == set(wanted)
    return apart([found[name] for name in wanted], list(wanted.values()))


def apart(found, wanted):
    """The norm of the difference over the norm of the answer, of several tensors as one."""
    square = sum(float((a.double() - b).square().sum()) for a, b in zip(found, wanted))
    return (square / sum(float(b.square().sum()) for b in wanted)) ** 0.5


def main():
    rnet, names = sys.argv[1], sys.argv[2:] or NETWORKS
    print("| network | evaluation | training | gradient | PyTorch: evaluation | training | gradient |\n|---|---|---|---|---|---|---|")
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            numbers = hold(rnet, name, pathlib.Path(directory))
        print(f"| {name} |" + "".join(f" {number:.1e} |" for number in numbers), flush=True)


if __name__ == "__main__":
    main()
