#!/usr/bin/env python3
"""Runs networks on random weights, exchanged as safetensors under torchvision's names, here and in PyTorch: ResNets for
ImageNet, a dilated ResNet-50, and PSPNets, all with few channels and small images.

In double the scores in evaluation, and of one training step the loss, every gradient and the moved running statistics
must agree to 1e-10 of the largest element of each; what the float32 inference plan gives to 1e-4 of the largest score.
Exit status: 0 all agree, 1 some do not, 77 skipped because there is no PyTorch."""

import argparse
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print(f"compare_networks_with_pytorch: skipped, {sys.executable} has no torch (Debian: apt-get install python3-torch)")
    sys.exit(77)

from compare_ops_with_pytorch import read_safetensors, write_safetensors

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
BASE_CHANNELS, CLASSES, BATCH = 8, 5, 3


class Network:
    """A forward pass on named tensors, which a first pass makes: shapes follow from it alone."""

    def __init__(self, state, training):
        self.state, self.training = state, training

    def get(self, name, shape, make):
        if name not in self.state:
            self.state[name] = make(shape)
        tensor = self.state[name]
        assert list(tensor.shape) == list(shape), name
        return tensor

    def conv(self, name, x, outputs, kernel=1, stride=1, dilation=1, bias=False):
        inputs = x.shape[1]
        scale = (2 / (inputs * kernel * kernel)) ** 0.5
        weight = self.get(name + ".weight", (outputs, inputs, kernel, kernel), lambda s: torch.randn(s).double() * scale)
        shift = self.get(name + ".bias", (outputs,), lambda s: torch.randn(s).double()) if bias else None
        return F.conv2d(x, weight, shift, stride, dilation * (kernel // 2), dilation)

    def norm(self, name, x):
        shape = (x.shape[1],)
        weight = self.get(name + ".weight", shape, lambda s: 0.5 + torch.rand(s).double())
        bias = self.get(name + ".bias", shape, lambda s: 0.3 * torch.randn(s).double())
        mean = self.get(name + ".running_mean", shape, lambda s: 0.3 * torch.randn(s).double())
        variance = self.get(name + ".running_var", shape, lambda s: 0.5 + torch.rand(s).double())
        return F.batch_norm(x, mean, variance, weight, bias, self.training, 0.1, 1e-5)

    def block(self, name, x, width, bottleneck, stride, dilation):
        outputs = 4 * width if bottleneck else width
        if bottleneck:
            h = F.relu(self.norm(name + ".bn1", self.conv(name + ".conv1", x, width)))
            h = F.relu(self.norm(name + ".bn2", self.conv(name + ".conv2", h, width, 3, stride, dilation)))
            h = self.norm(name + ".bn3", self.conv(name + ".conv3", h, outputs))
        else:
            h = F.relu(self.norm(name + ".bn1", self.conv(name + ".conv1", x, width, 3, stride, dilation)))
            h = self.norm(name + ".bn2", self.conv(name + ".conv2", h, width, 3, 1, dilation))
        if stride != 1 or x.shape[1] != outputs:
            x = self.norm(name + ".downsample.1", self.conv(name + ".downsample.0", x, outputs, 1, stride))
        return F.relu(h + x)

    def features(self, x, depth, output_stride):
        """Of the third and the fourth stage; strides become dilations as by replace_stride_with_dilation."""
        x = F.relu(self.norm("bn1", self.conv("conv1", x, BASE_CHANNELS, 7, 2)))
        x = F.max_pool2d(x, 3, 2, 1)
        reached, dilation = 4, 1
        for stage, count in enumerate(BLOCKS[depth]):
            before, stride = dilation, 1
            if stage > 0 and reached < output_stride:
                stride, reached = 2, 2 * reached
            elif stage > 0:
                dilation *= 2
            for index in range(count):
                x = self.block(
                    f"layer{stage + 1}.{index}",
                    x,
                    BASE_CHANNELS << stage,
                    depth >= 50,
                    stride if index == 0 else 1,
                    before if index == 0 else dilation,
                )
            if stage == 2:
                third = x
        return third, x

    def classes(self, x, depth, output_stride):
        x = self.features(x, depth, output_stride)[1].mean((2, 3))
        weight = self.get("fc.weight", (CLASSES, x.shape[1]), lambda s: torch.randn(s).double() / s[1] ** 0.5)
        return F.linear(x, weight, self.get("fc.bias", (CLASSES,), lambda s: torch.randn(s).double())), None

    def head(self, name, x, width, size, mask):
        x = F.relu(self.norm(name + ".bn", self.conv(name + ".conv", x, width, 3)))
        if self.training:
            x = x * (mask[:, :, None, None] / 0.9)
        x = self.conv(name + ".classifier", x, CLASSES, bias=True)
        return F.interpolate(x, size, mode="bilinear", align_corners=False)

    def pixels(self, images, depth, masks):
        third, fourth = self.features(images, depth, 8)
        width = fourth.shape[1] // 4
        joined = [fourth]
        for index, bins in enumerate((1, 2, 3, 6)):
            pooled = F.adaptive_avg_pool2d(fourth, bins)
            level = F.relu(self.norm(f"ppm.{index}.bn", self.conv(f"ppm.{index}.conv", pooled, width)))
            joined.append(F.interpolate(level, fourth.shape[2:], mode="bilinear", align_corners=False))
        size = images.shape[2:]
        scores = self.head("head", torch.cat(joined, 1), width, size, masks.get("mask.head"))
        auxiliary = None
        if masks:
            auxiliary = self.head("aux", third, third.shape[1] // 4, size, masks.get("mask.aux"))
        return scores, auxiliary


def forward(arch, state, training, images, masks):
    network = Network(state, training)
    if arch.startswith("pspnet"):
        return network.pixels(images, int(arch[6:]), masks)
    depth, _, stride = arch[6:].partition("_stride")
    return network.classes(images, int(depth), int(stride or 32))


def with_pytorch(arch, state, images, labels, masks):
    results = {"scores": forward(arch, state, False, images, {})[0]}
    state = {name: tensor.clone() for name, tensor in state.items()}
    leaves = {name: tensor.requires_grad_() for name, tensor in state.items() if "running_" not in name}
    scores, auxiliary = forward(arch, state, True, images, masks)
    loss = F.cross_entropy(scores, labels)
    if auxiliary is not None:
        loss = loss + 0.4 * F.cross_entropy(auxiliary, labels)
    loss.backward()
    results["loss"] = loss.detach().reshape(1)
    results.update({"grad/" + name: leaf.grad for name, leaf in leaves.items()})
    results.update({"state/" + name: tensor.detach() for name, tensor in state.items()})
    return results


def differences(arch, size, program, folder):
    pixels = arch.startswith("pspnet")
    images = torch.randn(BATCH, 3, *size).double()
    labels = torch.randint(0, CLASSES, (BATCH, *size) if pixels else (BATCH,))
    state = {}
    widths = {"mask.head": BASE_CHANNELS * (8 if "50" in arch else 2), "mask.aux": BASE_CHANNELS * (4 if "50" in arch else 1)}
    any_masks = {name: torch.ones(BATCH, width).double() for name, width in widths.items()}
    forward(arch, state, False, images, any_masks if pixels else {})
    source, target = folder / "in.safetensors", folder / "out.safetensors"
    write_safetensors(source, {**state, "images": images, "labels": labels})
    done = subprocess.run([program, arch, source, target], capture_output=True, text=True)
    if done.returncode != 0:
        return [f"exit status {done.returncode}: {done.stderr.strip()}"], 0
    got = read_safetensors(target)
    masks = {name: got.pop(name) for name in list(got) if name.startswith("mask.")}
    want = with_pytorch(arch, state, images, labels, masks)
    want["plan"] = want["scores"]
    if got.keys() != want.keys():
        return [f"results that one side has alone: {sorted(got.keys() ^ want.keys())}"], 0
    lines, worst = [], 0.0
    for name, tensor in want.items():
        if got[name].shape != tensor.shape:
            lines.append(f"{name}: {list(got[name].shape)}, expected {list(tensor.shape)}")
            continue
        error = ((got[name].double() - tensor).abs().max() / tensor.abs().max().clamp(min=1e-6)).item()
        allowed = 1e-4 if name == "plan" else 1e-10
        if name != "plan":
            worst = max(worst, error)
        if not error <= allowed:
            lines.append(f"{name}: off by {error:.3g} of its largest element, {allowed:.3g} allowed")
    return lines, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True, help="the tests' network_step")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for arch, size in (
            ("resnet18", (64, 64)),
            ("resnet34", (61, 75)),
            ("resnet50", (64, 64)),
            ("resnet50_stride8", (57, 64)),
            ("pspnet18", (64, 57)),
            ("pspnet50", (57, 64)),
        ):
            lines, worst = differences(arch, size, options.program, pathlib.Path(folder))
            print(f"{arch}: " + (f"agrees to {worst:.1g}" if not lines else f"{len(lines)} results differ"))
            for line in lines[:20]:
                print(f"  {line}")
            failed += bool(lines)
    print(f"PyTorch {torch.__version__}: {failed} networks differ")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
