"""The networks of the comparisons, in PyTorch: ours by architecture, gates as masks that are multiplied."""

import torch
import torch.nn.functional as F
from torch import nn


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


def gating_module(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Linear(16, outputs)
    )


class Gated(nn.Module):
    """What blocks with gating modules share."""

    def masked(self, gate, x, hidden, logits):
        if gate is None:
            return hidden
        logit = gate(x.mean((2, 3)))
        logits.append(logit)
        on = BinaryConcrete.apply(logit) if self.training else (logit > 0).to(x.dtype)
        return hidden * on[:, :, None, None]


class BasicBlock(Gated):
    """projection: a 1x1 convolution where the shape changes, instead of option A's padded pixels."""

    def __init__(self, inputs, outputs, stride, gated, projection=False):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.pad = stride, (outputs - inputs) // 2
        self.downsample = None
        if projection and (stride != 1 or inputs != outputs):
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.gate = gating_module(inputs, outputs) if gated else None

    def shortcut(self, x):
        if self.downsample is not None:
            return self.downsample(x)
        if self.pad == 0:
            return x
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))

    def forward(self, x, logits):
        h = self.masked(self.gate, x, F.relu(self.bn1(self.conv1(x)), inplace=True), logits)
        return F.relu(self.bn2(self.conv2(h)) + self.shortcut(x), inplace=True)


class Bottleneck(Gated):
    def __init__(self, inputs, width, stride, gated):
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.gate1 = gating_module(inputs, width) if gated else None
        self.gate2 = gating_module(inputs, width) if gated else None

    def forward(self, x, logits):
        h = self.masked(self.gate1, x, F.relu(self.bn1(self.conv1(x)), inplace=True), logits)
        h = self.masked(self.gate2, x, F.relu(self.bn2(self.conv2(h)), inplace=True), logits)
        return F.relu(self.bn3(self.conv3(h)) + (x if self.downsample is None else self.downsample(x)), inplace=True)


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


class ImageNetResNet(nn.Module):
    def __init__(self, blocks_of_stages, bottleneck, gated):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks, channels = [], 64
        for stage, count in enumerate(blocks_of_stages):
            width = 64 << stage
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                if bottleneck:
                    blocks.append(Bottleneck(channels, width, stride, gated))
                    channels = 4 * width
                else:
                    blocks.append(BasicBlock(channels, width, stride, gated, projection=True))
                    channels = width
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(channels, 1000)

    def forward(self, x):
        logits = []
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        for block in self.blocks:
            x = block(x, logits)
        return self.fc(x.mean((2, 3))), logits


# By name: how to make it, and the side of its images.
NETWORKS = {}
for depth, blocks in {20: 3, 32: 5, 44: 7, 56: 9, 110: 18}.items():
    for suffix in ("", "_bas"):
        NETWORKS[f"resnet{depth}{suffix}"] = (CifarResNet, (blocks, bool(suffix)), 32)
for depth, (blocks, bottleneck) in {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
}.items():
    for suffix in ("", "_bas"):
        NETWORKS[f"resnet{depth}{suffix}"] = (ImageNetResNet, (blocks, bottleneck, bool(suffix)), 224)


def make_network(arch):
    kind, arguments, _ = NETWORKS[arch]
    return kind(*arguments)


def image_size(arch):
    return NETWORKS[arch][2]
