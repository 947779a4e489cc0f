#!/usr/bin/env python3
"""Times the forward pass of pytorch_networks.py's as one would deploy them: no gradients, evaluation mode.

--frozen also folds batch norm and converts to oneDNN's layouts (torch.jit.optimize_for_inference). Gated networks multiply
by their masks: that is all PyTorch can do with them."""

import argparse
import json
import time

import torch

from pytorch_networks import add_options, image_size, make_network


class Scores(torch.nn.Module):
    """The class scores alone: what can be traced."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="channels_last")
    parser.add_argument("--frozen", action="store_true")
    options = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    layout = torch.channels_last if options.layout == "channels_last" else torch.contiguous_format
    network, size = make_network(options.arch, options.base_channels), image_size(options)
    network = Scores(network).to(memory_format=layout).eval()
    images = torch.randn(options.batch, 3, size, size).contiguous(memory_format=layout)
    with torch.no_grad():
        if options.frozen:
            network = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, images)))
        for _ in range(3):
            network(images)
        seconds = []
        for _ in range(options.steps):
            start = time.perf_counter()
            network(images)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"version": torch.__version__, "seconds": seconds}))


if __name__ == "__main__":
    main()
