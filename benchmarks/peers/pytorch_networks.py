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
    """projection: a 1x1 convolution where the shape changes, instead of option A's padded pixels. dilations: of the two."""

    def __init__(self, inputs, outputs, stride, gated, projection=False, dilations=(1, 1)):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilations[0], dilations[0], bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilations[1], dilations[1], bias=False)
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
    def __init__(self, inputs, width, stride, gated, dilation=1):
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
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


class ResNetBackbone(nn.Module):
    """Beyond the output stride, strides become dilations as by torchvision's replace_stride_with_dilation."""

    def __init__(self, blocks_of_stages, bottleneck, gated, base_channels, output_stride):
        super().__init__()
        self.conv1 = nn.Conv2d(3, base_channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(base_channels)
        self.channels, reached, dilation, stages = [base_channels], 4, 1, []
        for stage, count in enumerate(blocks_of_stages):
            width, before, stride = base_channels << stage, dilation, 1
            if stage > 0 and reached < output_stride:
                stride, reached = 2, 2 * reached
            elif stage > 0:
                dilation *= 2
            blocks, inputs, outputs = [], self.channels[-1], 4 * width if bottleneck else width
            for index in range(count):
                first = before if index == 0 else dilation
                if bottleneck:
                    blocks.append(Bottleneck(inputs, width, stride, gated, first))
                else:
                    blocks.append(BasicBlock(inputs, width, stride, gated, True, (first, dilation)))
                inputs, stride = outputs, 1
            self.channels.append(outputs)
            stages.append(nn.ModuleList(blocks))
        self.stages = nn.ModuleList(stages)

    def features(self, x, logits):
        """What the third and the fourth stage give."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        for stage in self.stages:
            third = x
            for block in stage:
                x = block(x, logits)
        return third, x


class ImageNetResNet(ResNetBackbone):
    def __init__(self, blocks_of_stages, bottleneck, gated, base_channels):
        super().__init__(blocks_of_stages, bottleneck, gated, base_channels, 32)
        self.fc = nn.Linear(self.channels[-1], 1000)

    def forward(self, x):
        logits = []
        return self.fc(self.features(x, logits)[1].mean((2, 3))), logits


class ScoreHead(nn.Sequential):
    def __init__(self, inputs, width, classes):
        super().__init__(
            nn.Conv2d(inputs, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
            nn.Conv2d(width, classes, 1),
        )


class PSPNet(ResNetBackbone):
    """Of output stride 8, for 19 classes. In training also the auxiliary head's scores."""

    def __init__(self, blocks_of_stages, bottleneck, gated, base_channels):
        super().__init__(blocks_of_stages, bottleneck, gated, base_channels, 8)
        third, fourth = self.channels[-2:]
        level = fourth // 4
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(bins),
                nn.Conv2d(fourth, level, 1, bias=False),
                nn.BatchNorm2d(level),
                nn.ReLU(inplace=True),
            )
            for bins in (1, 2, 3, 6)
        )
        self.head = ScoreHead(2 * fourth, fourth // 4, 19)
        self.auxiliary = ScoreHead(third, third // 4, 19)

    def forward(self, x):
        logits, size = [], x.shape[2:]

        def enlarged(scores, to):
            return F.interpolate(scores, to, mode="bilinear", align_corners=False)

        third, fourth = self.features(x, logits)
        joined = torch.cat([fourth] + [enlarged(level(fourth), fourth.shape[2:]) for level in self.levels], 1)
        scores = enlarged(self.head(joined), size)
        return ((scores, enlarged(self.auxiliary(third), size)) if self.training else scores), logits


# By name: how to make it, and the side of its images.
NETWORKS = {}
STAGES = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True), 101: ((3, 4, 23, 3), True)}
for suffix in ("", "_bas"):
    for depth, blocks in {20: 3, 32: 5, 44: 7, 56: 9, 110: 18}.items():
        NETWORKS[f"resnet{depth}{suffix}"] = (CifarResNet, (blocks, bool(suffix)), 32)
    for depth, (blocks, bottleneck) in STAGES.items():
        NETWORKS[f"resnet{depth}{suffix}"] = (ImageNetResNet, (blocks, bottleneck, bool(suffix)), 224)
        NETWORKS[f"pspnet{depth}{suffix}"] = (PSPNet, (blocks, bottleneck, bool(suffix)), 473)


def add_options(parser):
    parser.add_argument("--arch", choices=NETWORKS, default="resnet20")
    parser.add_argument("--base-channels", type=int, default=64, help="of networks for large images and for pixels")
    parser.add_argument("--image-size", type=int, help="height and width (default: the network's own)")


def make_network(arch, base_channels=64):
    kind, arguments, _ = NETWORKS[arch]
    return kind(*arguments) if kind is CifarResNet else kind(*arguments, base_channels)


def image_size(options):
    return options.image_size or NETWORKS[options.arch][2]
