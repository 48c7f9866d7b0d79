"""Holds the networks of lang-examples against torchvision's, and prints the table of docs/zoo.md.

    python tests/against_torchvision.py target/release/rnet [NAME ..]      (needs torch, torchvision and safetensors)

Each network of torchvision's starts at random, is written under its own tensor names, and runs in training mode, without dropout, on
two images of noise, in double precision; `rnet grad` reads the same file. The numbers are norms of differences over norms of answers: of the
logits, and of the gradient of all parameters together.
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
    "densenet121": "densenet121", "squeezenet": "squeezenet1_1",
}
WITH_DROPOUT = ("alexnet", "vgg", "squeezenet")


def hold(rnet, name, directory):
    torch.manual_seed(1)
    network = getattr(torchvision.models, NETWORKS[name])(weights=None).train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    weights, batch, out = (str(directory / f"{part}.safetensors") for part in ("weights", "batch", "out"))
    tensors = {key: value.contiguous() for key, value in network.state_dict().items() if "num_batches" not in key}
    save_file(tensors, weights)
    image, label = torch.randn(2, 3, 224, 224), torch.tensor([3, 7])
    save_file({"image": image, "label": label}, batch)
    settings = ["--set", "model.drop=0.0"] if name.startswith(WITH_DROPOUT) else []
    # The loss of the files is smoothed.
    settings += ["--set", "train.loss=cross_entropy"]
    subprocess.run([rnet, "grad", str(EXAMPLES / f"{name}.rnet"), "--weights", weights, "--batch", batch, "--out", out, *settings], check=True)
    found = load_file(out)
    network = network.double()
    logits = network(image.double())
    torch.nn.functional.cross_entropy(logits, label).backward()
    logits = logits.detach()
    difference = {"logits": float((found["logits"].double() - logits).norm() / logits.norm())}
    parameters = dict(network.named_parameters())
    assert set(parameters) == {key[5:] for key in found if key.startswith("grad.")}
    apart = sum(float((found[f"grad.{key}"].double() - parameter.grad).norm()) ** 2 for key, parameter in parameters.items())
    whole = sum(float(parameter.grad.norm()) ** 2 for parameter in parameters.values())
    difference["gradient"] = (apart / whole) ** 0.5
    return difference


def main():
    rnet, names = sys.argv[1], sys.argv[2:] or NETWORKS
    print("| file | logits | gradient |\n|---|---|---|")
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            difference = hold(rnet, name, pathlib.Path(directory))
        print(f"| {name} | {difference['logits']:.1e} | {difference['gradient']:.1e} |", flush=True)


if __name__ == "__main__":
    main()
