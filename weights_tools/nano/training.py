"""What the stages that train share: budgets in seconds, the optimiser, averaged weights."""

import collections
import math
import os
import time

import torch

import layers


class Clock:
    """A stage's budget. Learning rates follow the share of it that has passed: it ends in time on any machine."""

    def __init__(self, seconds, device):
        self.seconds, self.start, self.step = seconds, time.monotonic(), 0
        self.behind = collections.deque() if device.type == "cuda" else None

    def share(self):
        return (time.monotonic() - self.start) / self.seconds

    def steps(self):
        """Yields the share passed until the budget is spent; at least two steps are made."""
        while self.step < 2 or self.share() < 1:
            yield min(self.share(), 1.0)
            self.step += 1
            if self.behind is not None:  # Python may be a few steps ahead of the GPU, not hundreds
                self.behind.append(torch.cuda.Event())
                self.behind[-1].record()
                if len(self.behind) > 4:
                    self.behind.popleft().synchronize()

    def rate(self, share, flat=0.3, warm=50):
        """Of the learning rate: a short rise by steps, flat, then a cosine to nearly nothing."""
        falling = 1.0 if share < flat else 0.5 * (1 + math.cos(math.pi * (share - flat) / (1 - flat))) + 0.005
        return falling * min(1.0, (self.step + 1) / warm)


class LossMeans:
    """Moving averages of losses, kept on the device; read only when they are printed."""

    def __init__(self, log, clock):
        self.log, self.clock, self.every, self.last = log, clock, min(10.0, clock.seconds / 4), time.monotonic()
        self.sums, self.counts, self.samples = {}, {}, 0

    def add(self, samples, **values):
        """Logs means since the last line, and samples a second, every few seconds."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.samples += samples
        now = time.monotonic()
        if now - self.last > self.every or self.clock.step == 2:
            means = "  ".join(f"{name} {float(value) / self.counts[name]:.4f}" for name, value in self.sums.items())
            took = time.monotonic() - self.last
            self.log(f"step {self.clock.step}  {means}  {self.samples / took:.0f} a second")
            self.sums, self.counts, self.samples, self.last = {}, {}, 0, time.monotonic()


def orthogonal(updates):
    """Newton and Schulz's iteration towards the nearest orthogonal matrices: [n, rows, columns], rows <= columns."""
    x = updates.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x


class Optimizer:
    """Muon for the matrices inside the layers, AdamW for the rest. Gradients keep their places: graphs add to them."""

    def __init__(self, matrices, others, rate, others_rate, decay=0.02, momentum=0.95, graphs=None):
        self.groups = {}
        for weight in matrices:
            self.groups.setdefault(tuple(weight.shape), []).append(weight)
        self.buffers = {
            shape: torch.zeros(len(weights), *shape, device=weights[0].device) for shape, weights in self.groups.items()
        }
        self.weights, self.decay, self.momentum = [*matrices, *others], decay, momentum
        device = self.weights[0].device
        self.rates = rate, others_rate
        self.rate, self.others_rate = (torch.tensor(0.0, device=device) for _ in range(2))
        on_gpu = device.type == "cuda"
        self.adam = torch.optim.AdamW(
            others, lr=self.others_rate, betas=(0.9, 0.97), weight_decay=1e-4, foreach=on_gpu, capturable=on_gpu
        )
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight)
        self.update = Graphed(self.make_update, graphs)

    def step(self, share_of_rate):
        self.rate.fill_(self.rates[0] * share_of_rate)
        self.others_rate.fill_(self.rates[1] * share_of_rate)
        self.update()

    @torch.no_grad()
    def make_update(self):
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0, foreach=True)
        self.adam.step()
        for shape, weights in self.groups.items():
            gradients = torch.stack([weight.grad for weight in weights])
            buffer = self.buffers[shape].lerp_(gradients, 1 - self.momentum)
            update = gradients.lerp(buffer, self.momentum)  # Nesterov's
            wide = shape[0] <= shape[1]
            made = orthogonal(update if wide else update.transpose(1, 2))
            made = (made if wide else made.transpose(1, 2)).float() * (0.2 * max(shape) ** 0.5 * self.rate)
            torch._foreach_mul_(weights, 1 - self.rate * self.decay)
            torch._foreach_sub_(weights, list(made.unbind(0)))
        torch._foreach_zero_([weight.grad for weight in self.weights])
        return {}


class Graphs:
    """What a stage's CUDA graphs share. A small layer is over before Python has launched the next: hence graphs."""

    def __init__(self, context):
        self.on, self.log = context.device.type == "cuda" and not context.eager, context.log
        if self.on:
            self.stream, self.pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()
            self.stream.wait_stream(torch.cuda.current_stream())
            torch.cuda.set_stream(self.stream)  # all of the stage's work goes there


class Graphed:
    """A function without arguments that gives a dict of numbers: run twice, then captured, then replayed.

    It may draw random numbers, and has to leave what it changes in the same tensors. Its results are copied to
    tensors of their own, for the graphs of a stage share their memory.
    """

    def __init__(self, function, graphs):
        self.function, self.graphs, self.runs, self.graph, self.result = function, graphs, 0, None, {}

    def __call__(self):
        if self.graph is None and self.graphs is not None and self.graphs.on and self.runs == 2:
            self.capture()
        self.runs += 1
        if self.graph is None:
            self.result = {name: value.detach().clone() for name, value in self.function().items()}
        else:
            self.graph.replay()
        return self.result

    def capture(self):
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.graphs.pool, stream=self.graphs.stream):
                for name, value in self.function().items():
                    self.result[name].copy_(value.detach())
            self.graph = graph
        except RuntimeError as error:
            self.graphs.on = False
            self.graphs.log(f"goes on without graphs: {str(error).splitlines()[0]}")
            torch.cuda.synchronize()


class WeightAverage:
    """Weights averaged over the last steps; about `over` of them."""

    def __init__(self, module, over=500):
        self.names = [name for name, _ in module.named_parameters()]
        self.weights = list(module.parameters())
        self.means = [weight.detach().clone() for weight in self.weights]
        self.over, self.steps = over, 0

    @torch.no_grad()
    def update(self):
        self.steps += 1
        torch._foreach_lerp_(self.means, self.weights, max(1 / self.over, 1 / (1 + 0.1 * self.steps)))

    @torch.no_grad()
    def apply(self):
        """Puts the average into the module; training is over then."""
        torch._foreach_copy_(self.weights, self.means)

    def states(self):
        """The averaged weights of each of a module's parts, by the part's name."""
        parts = {}
        for name, mean in zip(self.names, self.means):
            part, rest = name.split(".", 1)
            parts.setdefault(part, {})[rest] = mean
        return parts


class Checkpoints:
    """Keeps a stage's averaged weights every two minutes; the next run begins with them. parts: {name: module}."""

    def __init__(self, path, parts, average, log):
        self.path, self.average, self.last = path + ".partial", average, time.monotonic()
        if os.path.exists(self.path):
            log(f"begins with {os.path.basename(self.path)}")
            states = layers.load_rounded(self.path, average.means[0].device)
            for name, part in parts.items():
                part.load_state_dict(states[name])
            torch._foreach_copy_(average.means, [weight.detach() for weight in average.weights])

    def keep(self):
        if time.monotonic() - self.last > 120:
            layers.save_rounded(self.average.states(), self.path)
            self.last = time.monotonic()

    def remove(self):
        if os.path.exists(self.path):
            os.remove(self.path)
