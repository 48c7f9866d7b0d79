"""Holds the networks of lang-examples against torchvision's, and prints the table of docs/zoo.md.

    python tests/against_torchvision.py target/release/rnet [NAME ..]      (needs torch, torchvision and safetensors)

Each network of torchvision's starts at random, is written under its own tensor names, and runs in training mode, without dropout, on
two images of noise, in double precision; `rnet grad` reads the same file. The numbers are norms of differences over norms of answers: of the
logits in evaluation and in training, and of the gradient of all parameters together; the same for PyTorch in single precision, which takes
other sides of ReLU and max pooling here and there just as well; and the greatest of the three for rnet's reference evaluator, which computes
in double precision too, on smaller images because it takes its time. Running statistics are those of the same two images.

The script fails where the reference differs by 1e-10 or more, and where single precision differs by more than three times what it does in
PyTorch; of gradients, whose differences come in leaps, by more than a fiftieth as well.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
import torchvision
from safetensors.torch import load_file, save_file

# Rows and columns of the images, and of those that the reference evaluator sees.
SIDE, REFERENCE_SIDE = 224, 64
# Of the reference; and of single precision, as a multiple of PyTorch's.
TOLERANCE, MULTIPLE, LEAP = 1e-10, 3, 0.02

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


def hold(rnet, name, directory, with_reference):
    """How far what rnet gives is from PyTorch in double precision: of the reference evaluator; or in single precision, and as far as PyTorch is."""
    side = REFERENCE_SIDE if with_reference else SIDE
    torch.manual_seed(1)
    network = getattr(torchvision.models, NETWORKS[name])(weights=None, **ARGUMENTS.get(name, {})).train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.BatchNorm2d):
            # The running statistics become those of the first batch.
            module.momentum = None
    image, label = torch.randn(2, 3, side, side), torch.tensor([3, 7])
    with torch.no_grad():
        network(image)
    weights, batch, out, reference = (str(directory / f"{part}.safetensors") for part in ("weights", "batch", "out", "reference"))
    tensors = {key: value.clone().contiguous() for key, value in network.state_dict().items() if "num_batches" not in key}
    save_file(tensors, weights)
    save_file({"image": image, "label": label}, batch)
    settings = ["--set", "model.drop=0.0"] if name.startswith(WITH_DROPOUT) else []
    settings += ["--set", "model.head_drop=0.0"] if name == "googlenet" else []
    # The loss of the files is smoothed.
    settings += ["--set", "train.loss=cross_entropy", "--set", f"model.side={side}"]
    settings += ["--evaluate", "--weights", weights, "--batch", batch, "--out", out]
    settings += ["--reference", reference] if with_reference else []
    subprocess.run([rnet, "grad", str(EXAMPLES / f"{name}.rnet"), *settings], check=True)
    found = [written(reference)] if with_reference else [written(out), answers(network, image, label)]
    network.load_state_dict(tensors, strict=False)
    wanted = answers(network.double(), image.double(), label)
    return [apart_from(answer, wanted) for answer in found]


def written(file):
    """The answers in a file of `rnet grad`."""
    found = load_file(file)
    return found["evaluated"], found["logits"], {key[5:]: value for key, value in found.items() if key.startswith("grad.")}


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
    print("| network | evaluation | training | gradient | PyTorch: evaluation | training | gradient | reference |\n" + "|---" * 8 + "|")
    wrong = []
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            ours, single = hold(rnet, name, pathlib.Path(directory), False)
            [reference] = hold(rnet, name, pathlib.Path(directory), True)
        numbers = [*ours, *single, max(reference)]
        print(f"| {name} |" + "".join(f" {number:.1e} |" for number in numbers), flush=True)
        bounds = [max(MULTIPLE * number, least) for number, least in zip(single, (0, 0, LEAP))]
        if not (max(reference) < TOLERANCE and all(number <= bound for number, bound in zip(ours, bounds))):
            wrong.append(name)
    if wrong:
        sys.exit(f"{', '.join(wrong)}: further from PyTorch in double precision than rounding explains")


if __name__ == "__main__":
    main()
