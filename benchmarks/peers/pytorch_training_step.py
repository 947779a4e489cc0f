#!/usr/bin/env python3
"""The counterpart in PyTorch of bsg_bench's suite training: the same networks, phases, batch and output."""

import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F

from pytorch_networks import add_options, image_size, make_network


def peak_rss():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="channels_last")
    parser.add_argument("--only", choices=["forward_eval", "forward_train", "training_step"], help="one of the phases")
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
    network, size = make_network(options.arch, options.base_channels), image_size(options)
    network = network.to(memory_format=layout)
    gating = [p for name, p in network.named_parameters() if ".gate" in name]
    others = [p for name, p in network.named_parameters() if ".gate" not in name]
    groups = [{"params": others, "weight_decay": 5e-4}] + ([{"params": gating}] if gating else [])
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True)
    images = torch.randn(options.batch, 3, size, size).contiguous(memory_format=layout)
    of_pixels = options.arch.startswith("pspnet")
    labels = torch.arange(options.batch) % 10
    if of_pixels:
        labels = (torch.arange(options.batch * size**2) % 19).view(options.batch, size, size)

    def forward(training):
        network.train(training)
        with torch.no_grad():
            network(images)

    def step():
        network.train()
        output, logits = network(images)
        if of_pixels:
            loss = F.cross_entropy(output[0], labels) + 0.4 * F.cross_entropy(output[1], labels)
        else:
            loss = F.cross_entropy(output, labels)
        if logits:
            loss = loss + 0.4 / len(logits) * sum(torch.sigmoid(logit).mean() for logit in logits)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    phases = {"forward_eval": lambda: forward(False), "forward_train": lambda: forward(True), "training_step": step}
    if options.only:
        phases = {options.only: phases[options.only]}
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
