"""Trains the network of tests/golden/training.rnet in PyTorch, in double precision, in each of its ways, and writes what comes of it.

    python tests/against_torch.py > tests/golden/training.json      (needs torch)

tests/against_torch.rs holds `rnet grad --steps 20` against these numbers. Optimizers that PyTorch has are PyTorch's own; Lion, LARS and
LAMB are written from the papers' algorithms, and so is Muon, whose iteration PyTorch runs in bfloat16. Values at the start are sines,
rounded to single precision, so that no file of weights is needed.
"""
import json
import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, one_hot
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, MultiStepLR, OneCycleLR, PolynomialLR, SequentialLR

STEPS, IMAGES, CLASSES = 20, 6, 5
SHAPES = {"conv1.weight": (4, 2, 3, 3), "conv1.bias": (4,), "fc.weight": (CLASSES, 64), "fc.bias": (CLASSES,)}


def sines(shape, phase, size):
    values = [size * math.sin(0.37 * at + phase) for at in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float32).double().reshape(shape)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, program 1."""

    def __init__(self, parameters, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(parameters, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = b1 * m + (1 - b1) * p.grad
                p.sub_(lr * (c.sign() + group["weight_decay"] * p))
                m.copy_(b2 * m + (1 - b2) * p.grad)


class Lars(torch.optim.Optimizer):
    """You, Gitman & Ginsburg 2017, algorithm 1; vectors are moved as by SGD."""

    def __init__(self, parameters, lr, momentum, weight_decay, trust):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, trust=trust))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            decay = group["weight_decay"]
            for p in group["params"]:
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                local = group["trust"] * p.norm() / (p.grad.norm() + decay * p.norm()) if p.dim() > 1 else 1.0
                v.copy_(group["momentum"] * v + group["lr"] * local * (p.grad + decay * p))
                p.sub_(v)


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2, with the identity for phi."""

    def __init__(self, parameters, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(parameters, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                m, v = (state.setdefault(name, torch.zeros_like(p)) for name in "mv")
                state["t"] = state.get("t", 0) + 1
                m.copy_(b1 * m + (1 - b1) * p.grad)
                v.copy_(b2 * v + (1 - b2) * p.grad**2)
                r = m / (1 - b1 ** state["t"]) / ((v / (1 - b2 ** state["t"])).sqrt() + group["eps"])
                u = r + group["weight_decay"] * p
                ratio = p.norm() / u.norm() if p.norm() > 0 and u.norm() > 0 else 1.0
                p.sub_(group["lr"] * ratio * u)


class Muon(torch.optim.Optimizer):
    """Jordan et al. 2024; filters are rows."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0, nesterov=True, iterations=5):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, iterations=iterations))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            mu = group["momentum"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.copy_(mu * m + (1 - mu) * p.grad)
                aim = mu * m + (1 - mu) * p.grad if group["nesterov"] else m
                x = aim.reshape(len(aim), -1)
                rows, columns = x.shape
                x = x / x.norm().clamp(min=1e-7)
                for _ in range(group["iterations"]):
                    gram = x @ x.T
                    x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
                p.sub_(group["lr"] * (max(1, rows / columns) ** 0.5 * x.reshape(p.shape) + group["weight_decay"] * p))


def sgd(named, **options):
    return [torch.optim.SGD(named.values(), **{"lr": 0.1, **options})]


def with_momentum(named):
    return sgd(named, momentum=0.9)


def of(named, end):
    return [value for name, value in named.items() if name.endswith(end)]


def grouped(named):
    options = lambda name: dict(lr=0.02 if name.startswith("fc") else 0.1, weight_decay=0.0 if name.endswith("bias") else 0.1)
    return [torch.optim.SGD([dict(params=[value], **options(name)) for name, value in named.items()], momentum=0.9)]


def muon_plain(named):
    rest = [value for name, value in named.items() if name != "fc.weight"]
    return [Muon([named["fc.weight"]], lr=0.02, nesterov=False, iterations=3), torch.optim.AdamW(rest, lr=0.01)]


def rising(optimizer):
    return LinearLR(optimizer, start_factor=1 / 6, total_iters=5)


def sequence(optimizer):
    parts = [rising(optimizer), LinearLR(optimizer, start_factor=1, end_factor=0.5, total_iters=8), CosineAnnealingLR(optimizer, 6)]
    return SequentialLR(optimizer, parts, milestones=[6, 14])


def smoothed(label, by=0.0):
    return (1 - by) * one_hot(label, CLASSES).double() + by / CLASSES


class Plain:
    """What happens around each step; every hook of the others is nothing here."""

    every, ema, lookahead = 1, None, None

    def __init__(self, **hooks):
        self.optimizers, self.schedule = sgd, None
        self.loss, self.clip = cross_entropy, lambda parameters: None
        self.__dict__.update(hooks)


WAYS = {
    "sgd": Plain(),
    "momentum": Plain(optimizers=lambda n: sgd(n, momentum=0.9, weight_decay=0.01)),
    "nesterov": Plain(optimizers=lambda n: sgd(n, momentum=0.9, weight_decay=0.01, nesterov=True)),
    "adam": Plain(optimizers=lambda n: [torch.optim.Adam(n.values(), lr=0.01, betas=(0.8, 0.99), weight_decay=0.01)]),
    "adamw": Plain(optimizers=lambda n: [torch.optim.AdamW(n.values(), lr=0.01, weight_decay=0.1)]),
    "rmsprop": Plain(optimizers=lambda n: [torch.optim.RMSprop(n.values(), lr=0.003, weight_decay=0.01)]),
    "rmsprop_centered": Plain(
        optimizers=lambda n: [torch.optim.RMSprop(n.values(), lr=0.003, alpha=0.9, eps=0.01, momentum=0.9, centered=True)]
    ),
    "lion": Plain(optimizers=lambda n: [Lion(n.values(), lr=0.003, weight_decay=0.1)]),
    "lars": Plain(optimizers=lambda n: [Lars(n.values(), lr=1.0, momentum=0.9, weight_decay=0.01, trust=0.02)]),
    "lamb": Plain(optimizers=lambda n: [Lamb(n.values(), lr=0.02, weight_decay=0.01)]),
    "muon": Plain(
        optimizers=lambda n: [
            Muon(of(n, "weight"), lr=0.02, momentum=0.9, weight_decay=0.1),
            torch.optim.SGD(of(n, "bias"), lr=0.05, momentum=0.9),
        ]
    ),
    "muon_plain": Plain(optimizers=muon_plain),
    "groups": Plain(optimizers=grouped),
    "clip_norm": Plain(optimizers=with_momentum, clip=lambda p: torch.nn.utils.clip_grad_norm_(p, 0.5)),
    "clip_value": Plain(optimizers=with_momentum, clip=lambda p: torch.nn.utils.clip_grad_value_(p, 0.02)),
    "accumulate": Plain(optimizers=lambda n: [torch.optim.Adam(n.values(), lr=0.01)], every=3),
    "ema": Plain(optimizers=with_momentum, ema=0.6),
    "lookahead": Plain(optimizers=with_momentum, lookahead=(3, 0.4, 0)),
    "lookahead_ramp": Plain(optimizers=with_momentum, lookahead=(3, 0.4, 2)),
    "step": Plain(schedule=lambda o: MultiStepLR(o, [5, 12], gamma=0.3)),
    "cosine": Plain(schedule=lambda o: CosineAnnealingLR(o, STEPS, eta_min=0.01)),
    "linear": Plain(schedule=lambda o: LinearLR(o, start_factor=0.2, end_factor=0.7, total_iters=STEPS)),
    "polynomial": Plain(schedule=lambda o: PolynomialLR(o, total_iters=STEPS, power=2)),
    "one_cycle": Plain(
        schedule=lambda o: OneCycleLR(
            o, max_lr=0.1, total_steps=STEPS, pct_start=0.3, div_factor=10, final_div_factor=100, cycle_momentum=False
        )
    ),
    "warmup": Plain(schedule=rising),
    "sequence": Plain(schedule=sequence),
    "smoothing": Plain(loss=lambda x, t: cross_entropy(x, t, label_smoothing=0.2)),
    "mean_squared_error": Plain(loss=lambda x, t: mse_loss(x, smoothed(t))),
    "binary_cross_entropy": Plain(loss=lambda x, t: binary_cross_entropy_with_logits(x, smoothed(t))),
    "binary_smoothing": Plain(loss=lambda x, t: binary_cross_entropy_with_logits(x, smoothed(t, 0.2))),
}


def train(way):
    named = {name: sines(shape, at, 0.3).requires_grad_() for at, (name, shape) in enumerate(SHAPES.items())}
    image, label = sines((IMAGES, 2, 6, 6), 0.5, 1.0), torch.arange(IMAGES) * 2 % CLASSES
    optimizers = way.optimizers(named)
    schedules = [way.schedule(optimizer) for optimizer in optimizers] if way.schedule else []
    average = {name: value.detach().clone() for name, value in named.items()}
    losses, updates = [], 0
    for step in range(STEPS):
        hidden = torch.tanh(torch.nn.functional.conv2d(image, named["conv1.weight"], named["conv1.bias"]))
        logits = hidden.flatten(1) @ named["fc.weight"].T + named["fc.bias"]
        loss = way.loss(logits, label)
        losses.append(loss.item())
        (loss / way.every).backward()
        if (step + 1) % way.every == 0 or step + 1 == STEPS:
            way.clip(list(named.values()))
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            updates += 1
            with torch.no_grad():
                follow(way, named, average, updates, -(-STEPS // way.every))
        for schedule in schedules:
            schedule.step()
    after = average if way.ema else named
    return {"losses": losses, "norms": {name: value.norm().item() for name, value in after.items()}}


def follow(way, named, average, update, updates):
    """What comes behind an update: the average, or the slow weights, follow."""
    for name, value in named.items():
        if way.ema:
            average[name].lerp_(value, 1 - min(way.ema, (1 + update) / (10 + update)))
        if way.lookahead:
            every, alpha, ramp = way.lookahead
            if update % every == 0:
                average[name].copy_(value + (1 - alpha) * (update / updates) ** ramp * (average[name] - value))
            if update % every == 0 or update == updates:
                value.copy_(average[name])


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    short = lambda way: {
        "losses": [float(f"{loss:.9g}") for loss in way["losses"]],
        "norms": {name: float(f"{norm:.9g}") for name, norm in way["norms"].items()},
    }
    ways = [f"{json.dumps(name)}: {json.dumps(short(train(way)))}" for name, way in WAYS.items()]
    print("{\n" + ",\n".join(ways) + "\n}")
