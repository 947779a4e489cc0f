#!/usr/bin/env python3
"""Times convolutions of bsg_bench's suite gated_conv in PyTorch, with bias and ReLU: dense, and times a mask.

Standard input: a JSON list of {"kernel", "inputs", "outputs", "size", "stride", "batch"}. Standard output: for each the
best way's median seconds, {"dense", "mask"}, where the ways are both memory layouts, eager and frozen (oneDNN's own
layouts, torch.jit.optimize_for_inference). Masking all that PyTorch computes is the only gate that it has."""

import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn


class Convolution(nn.Module):
    def __init__(self, layer, masked):
        super().__init__()
        kernel = layer["kernel"]
        self.conv = nn.Conv2d(layer["inputs"], layer["outputs"], kernel, layer["stride"], kernel // 2)
        self.masked = masked

    def forward(self, x, mask):
        y = torch.relu(self.conv(x))
        return y * mask if self.masked else y


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.2, help="to spend on each way")
    parser.add_argument("--density", type=float, default=0.5, help="of the mask")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)

    results = []
    with torch.no_grad():
        for layer in json.load(sys.stdin):
            x = torch.randn(layer["batch"], layer["inputs"], layer["size"], layer["size"])
            mask = (torch.rand(layer["batch"], layer["outputs"], 1, 1) < options.density).float()
            best = {}
            for kind in ("dense", "mask"):
                ways = []
                for layout in (torch.contiguous_format, torch.channels_last):
                    module = Convolution(layer, kind == "mask").eval().to(memory_format=layout)
                    inputs = x.contiguous(memory_format=layout), mask
                    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, inputs)))
                    for way in (module, frozen):
                        for _ in range(3):
                            way(*inputs)
                        seconds, end = [], time.perf_counter() + options.seconds
                        while len(seconds) < 5 or time.perf_counter() < end:
                            start = time.perf_counter()
                            way(*inputs)
                            seconds.append(time.perf_counter() - start)
                        ways.append(statistics.median(seconds))
                best[kind] = min(ways)
            results.append(best)
    print(json.dumps({"version": torch.__version__, "results": results}))


if __name__ == "__main__":
    main()
