#!/usr/bin/env python3
"""Runs rnet's training step and PyTorch's in turn, and prints how many times as fast rnet is.

    python3 -m venv venv && venv/bin/pip install torch torchvision
    cargo build --release
    venv/bin/python benches/against_pytorch.py resnet20 --batch 128

Each round starts both afresh, one after the other, so that whatever else the machine is doing meets both alike; the ratio is that
of the medians over all rounds, its spread that of the rounds. PyTorch runs in the fastest of its modes (each is tried once), with
its allocator told to keep memory. With --precision bf16 both train in mixed precision, PyTorch under autocast. One line of JSON comes last.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The networks on 3x32x32 by the number of layers; other names are torchvision's, on 3x224x224.
SMALL = {f"{kind}{depth}": (kind, depth) for kind in ("resnet", "plain") for depth in (20, 32, 44, 56, 110)}
# Memory that is freed stays with the process: otherwise PyTorch spends up to a third of a step on page faults.
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def small_network(kind, depth):
    """The CIFAR networks of He et al. (2015): subsampling and zero channels for shortcuts."""
    import torch.nn as nn
    import torch.nn.functional as F

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
            self.stride, self.more = stride, outputs - inputs

        def forward(self, x):
            y = F.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            if kind == "plain":
                return F.relu(y)
            if self.more:
                x = x[:, :, :: self.stride, :: self.stride]
                x = F.pad(x, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
            return F.relu(y + x)

    layers, inputs = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for outputs in (16, 32, 64):
        for number in range((depth - 2) // 6):
            layers.append(Block(inputs, outputs, 2 if number == 0 and outputs > 16 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def peer(arguments):
    """One PyTorch process: times the step in one mode and prints a line of JSON."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.model in SMALL:
        model, shape, classes = small_network(*SMALL[arguments.model]), (3, 32, 32), 10
    else:
        import torchvision

        model, shape, classes = torchvision.models.get_model(arguments.model), (3, 224, 224), 1000
    images = torch.randn(arguments.batch, *shape)
    labels = torch.randint(0, classes, (arguments.batch,))
    if "channels_last" in arguments.peer:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    forward = torch.compile(model) if "compile" in arguments.peer else model

    def step():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.precision == "bf16"):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return (time.perf_counter() - start) * 1e3

    first = step()
    step()
    times = [step() for _ in range(arguments.steps)]
    print(json.dumps({
        "step_ms": statistics.median(times),
        "first_step_ms": first,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))


def last_line(command, environment=None):
    """Runs a command and reads the JSON in the last line that it prints."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="resnet20, resnet56, ... or resnet18, resnet50, ...; lang-examples/MODEL.rnet")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", default="eager,channels_last", help="also compile, compile_channels_last")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--rnet", default=ROOT / "target/release/rnet")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return peer(arguments)

    common = ["--batch", str(arguments.batch), "--threads", str(arguments.threads), "--precision", arguments.precision]

    def rnet():
        file = ROOT / "lang-examples" / f"{arguments.model}.rnet"
        return last_line([arguments.rnet, "bench", file, "--json", "--steps", str(arguments.steps), *common])

    def pytorch(mode, steps):
        command = [sys.executable, __file__, arguments.model, "--peer", mode, "--steps", str(steps)]
        return last_line([*command, *common], {**os.environ, **TUNED})

    modes = arguments.modes.split(",")
    tried = {mode: pytorch(mode, min(arguments.steps, 5))["step_ms"] for mode in modes} if len(modes) > 1 else {}
    mode = min(tried, key=tried.get) if tried else modes[0]
    for name, step in tried.items():
        print(f"PyTorch {name}: {step:.1f} ms", flush=True)

    ours, theirs = [], []
    for number in range(arguments.rounds):
        ours.append(rnet())
        theirs.append(pytorch(mode, arguments.steps))
        a, b = ours[-1]["step_ms"], theirs[-1]["step_ms"]
        print(f"round {number + 1}: rnet {a:.2f} ms ({100 * ours[-1]['share_of_peak']:.0f}% of peak), "
              f"PyTorch {b:.2f} ms, {b / a:.2f} x", flush=True)

    def median(results, field="step_ms"):
        return statistics.median(result[field] for result in results)

    ratios = [b["step_ms"] / a["step_ms"] for a, b in zip(ours, theirs)]
    print(json.dumps({
        "model": arguments.model, "batch": arguments.batch, "threads": arguments.threads,
        "peer_mode": mode, "precision": arguments.precision,
        "ratio": round(median(theirs) / median(ours), 3), "least_ratio": round(min(ratios), 3), "greatest_ratio": round(max(ratios), 3),
        "images_per_s": round(arguments.batch / median(ours) * 1e3, 1),
        "peer_images_per_s": round(arguments.batch / median(theirs) * 1e3, 1),
        "peak_rss_bytes": median(ours, "peak_rss_bytes"), "peer_peak_rss_bytes": median(theirs, "peak_rss_bytes"),
        "first_step_ms": round(median(ours, "first_step_ms"), 1), "peer_first_step_ms": round(median(theirs, "first_step_ms"), 1),
    }))


if __name__ == "__main__":
    main()
