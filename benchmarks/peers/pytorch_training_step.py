#!/usr/bin/env python3
"""The counterpart in PyTorch of bsg_bench's suite training: the same networks, phases, batch and output."""

import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

# Blocks per stage, gated or not.
NETWORKS = {"resnet20": (3, False), "resnet20_bas": (3, True), "resnet56": (9, False), "resnet56_bas": (9, True)}


class BinaryConcrete(torch.autograd.Function):
    """1[y > 0] of y = (logit + logistic noise) / (2/3); the gradient is the sigmoid's."""

    @staticmethod
    def forward(ctx, logit):
        u = torch.rand_like(logit).clamp(1e-6, 1 - 1e-6)
        y = (logit + torch.log(u) - torch.log1p(-u)) * 1.5
        ctx.save_for_backward(torch.sigmoid(y))
        return (y > 0).to(logit.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (s,) = ctx.saved_tensors
        return gradient * s * (1 - s) * 1.5


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, gated):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.pad = stride, (outputs - inputs) // 2
        self.gate = None
        if gated:
            self.gate = nn.Sequential(
                nn.Linear(inputs, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Linear(16, outputs)
            )

    def shortcut(self, x):
        if self.pad == 0:
            return x
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))

    def forward(self, x, logits):
        h = F.relu(self.bn1(self.conv1(x)), inplace=True)
        if self.gate is not None:
            logit = self.gate(x.mean((2, 3)))
            logits.append(logit)
            gate = BinaryConcrete.apply(logit) if self.training else (logit > 0).to(x.dtype)
            h = h * gate[:, :, None, None]
        return F.relu(self.bn2(self.conv2(h)) + self.shortcut(x), inplace=True)


class CifarResNet(nn.Module):
    def __init__(self, blocks_per_stage, gated):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        blocks, channels = [], 16
        for stage in range(3):
            for index in range(blocks_per_stage):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(BasicBlock(channels, 16 << stage, stride, gated))
                channels = 16 << stage
        self.blocks = nn.ModuleList(blocks)
        self.linear = nn.Linear(channels, 10)

    def forward(self, x):
        logits = []
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        for block in self.blocks:
            x = block(x, logits)
        return self.linear(x.mean((2, 3))), logits


def peak_rss():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=NETWORKS, default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="channels_last")
    parser.add_argument("--processor-time", action="store_true", help="for one thread, on a machine with other work")
    parser.add_argument("--json", action="store_true", help="print one JSON object with every step's seconds")
    options = parser.parse_args()
    if options.processor_time and options.threads != 1:
        parser.error("--processor-time needs --threads 1")
    now = time.process_time if options.processor_time else time.perf_counter

    start_rss = peak_rss()  # the libraries are loaded, no tensor exists
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    layout = torch.channels_last if options.layout == "channels_last" else torch.contiguous_format
    network = CifarResNet(*NETWORKS[options.arch]).to(memory_format=layout)
    gating = [p for name, p in network.named_parameters() if ".gate." in name]
    others = [p for name, p in network.named_parameters() if ".gate." not in name]
    groups = [{"params": others, "weight_decay": 5e-4}] + ([{"params": gating}] if gating else [])
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True)
    images = torch.randn(options.batch, 3, 32, 32).contiguous(memory_format=layout)
    labels = torch.arange(options.batch) % 10

    def forward(training):
        network.train(training)
        with torch.no_grad():
            network(images)

    def step():
        network.train()
        output, logits = network(images)
        loss = F.cross_entropy(output, labels)
        if logits:
            loss = loss + 0.4 / len(logits) * sum(torch.sigmoid(logit).mean() for logit in logits)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    phases = {"forward_eval": lambda: forward(False), "forward_train": lambda: forward(True), "training_step": step}
    seconds = {name: [] for name in phases}
    for run in phases.values():
        run()
    for _ in range(options.rounds):
        for name, run in phases.items():
            for _ in range(options.steps):
                start = now()
                run()
                seconds[name].append(now() - start)

    if options.json:
        print(
            json.dumps(
                {
                    "arch": options.arch,
                    "batch": options.batch,
                    "threads": options.threads,
                    "version": torch.__version__,
                    "start_rss": start_rss,
                    "peak_rss": peak_rss(),
                    "seconds": seconds,
                }
            )
        )
        return
    print(f"{options.arch}, {options.layout}, batch {options.batch}, {options.threads} threads, torch {torch.__version__}")
    for name, values in seconds.items():
        best, middle = min(values), statistics.median(values)
        print(
            f"{name:<14} best {options.batch / best:7.1f} img/s ({1e3 * best:6.1f} ms), "
            f"median {options.batch / middle:7.1f}"
        )
    print(f"peak RSS {peak_rss() / 2**20:.1f} MiB, of which {(peak_rss() - start_rss) / 2**20:.1f} after the start")


if __name__ == "__main__":
    main()
