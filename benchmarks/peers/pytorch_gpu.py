#!/usr/bin/env python3
"""PyTorch's times on one GPU, for the layers and the training step that tools/gpu_check measures: convolutions alone and
followed by the mask of a gate, and ResNet-20's training step; eager and compiled, channels last, in f32, tf32 and bf16.

Each figure is the median over samples between CUDA events, after a warm-up; a sample repeats the work until it takes
about a millisecond. The file of --json is rewritten after every figure, so that a run that is stopped leaves what it has.
Exit status: 0 measured, 77 skipped because there is no PyTorch or no GPU."""

import argparse
import json
import shlex
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print(f"pytorch_gpu: skipped, {sys.executable} has no torch")
    sys.exit(77)

from pytorch_networks import make_network

# Channels in and out, and the side of the image; 3x3, stride 1, padding 1.
LAYERS = ((64, 56), (128, 28), (256, 14))
LAYER_BATCH, STEP_BATCH = 256, 128
PRECISIONS = ("bf16", "f32", "tf32")


def time_of(run, samples):
    """Seconds of run(), as the quartiles of `samples` samples."""
    for _ in range(3):
        run()

    def sample(times):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(times):
            run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / times

    times = max(1, min(1000, round(1e-3 / sample(3))))
    lower, median, upper = statistics.quantiles([sample(times) for _ in range(samples)], n=4)
    return {"samples": samples, "lower_quartile": lower, "median": median, "upper_quartile": upper}


def set_precision(precision):
    """The type of activations and weights."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def convolutions(precision):
    """Names, what may be compiled, and how that makes a run; so training_steps too."""
    dtype = set_precision(precision)
    for channels, size in LAYERS:
        x = torch.randn(LAYER_BATCH, channels, size, size, device="cuda", dtype=dtype)
        weight = torch.randn(channels, channels, 3, 3, device="cuda", dtype=dtype) / (9 * channels) ** 0.5
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
        gate = (torch.rand(LAYER_BATCH, channels, 1, 1, device="cuda") < 0.5).to(dtype)
        name = f"3x3 {channels}>{channels} {size}x{size}, batch {LAYER_BATCH}"

        def dense(x=x, weight=weight):
            return F.conv2d(x, weight, padding=1)

        def masked(x=x, weight=weight, gate=gate):
            return F.conv2d(x, weight, padding=1) * gate

        yield f"{name}, dense", dense, lambda run: run
        yield f"{name}, dense times mask", masked, lambda run: run


def training_steps(precision):
    set_precision(precision)
    network = make_network("resnet20").to("cuda", memory_format=torch.channels_last)
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    images = torch.randn(STEP_BATCH, 3, 32, 32, device="cuda").contiguous(memory_format=torch.channels_last)
    labels = torch.arange(STEP_BATCH, device="cuda") % 10

    def loss_of():
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            return F.cross_entropy(network(images)[0], labels)

    def step_of(loss):
        def step():
            optimizer.zero_grad(set_to_none=True)
            loss().backward()
            optimizer.step()

        return step

    yield f"resnet20, training step, batch {STEP_BATCH}", loss_of, step_of


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--quick", action="store_true", help="bf16 alone, nothing compiled, fewer samples")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no figure after that time")
    options = parser.parse_args()
    started = time.monotonic()
    if not torch.cuda.is_available():
        print("pytorch_gpu: skipped, torch finds no GPU")
        sys.exit(77)
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    results = {
        "program": "pytorch_gpu",
        "command": shlex.join(sys.argv),
        "version": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
        "gpu": torch.cuda.get_device_name(),
        "lines": [],
    }
    # All that is eager first: compiling takes most of the time.
    plan = [
        (family, precision, mode)
        for mode in ("eager", "compiled")
        for precision in PRECISIONS
        for family in (convolutions, training_steps)
    ]
    if not hasattr(torch, "compile"):
        print(f"PyTorch {torch.__version__} has no compiler")
        plan = [entry for entry in plan if entry[2] == "eager"]
    if options.quick:
        plan = [entry for entry in plan if entry[1:] == ("bf16", "eager")]
    failed = 0
    for family, precision, mode in plan:
        for name, function, run_of in family(precision):
            if time.monotonic() - started > options.seconds:
                print(f"{name}, {precision}, {mode}: left out, {options.seconds} s are over")
                continue
            try:
                if mode == "compiled":
                    torch._dynamo.reset()  # it gives up on a function that it compiled several times
                run = run_of(torch.compile(function, dynamic=False) if mode == "compiled" else function)
                seconds = time_of(run, 10 if options.quick else 30)
            except Exception as error:  # a compiler that is missing, memory: the other figures still count
                print(f"{name}, {precision}, {mode}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
                failed += 1
                continue
            print(f"{name:52} {precision:5} {mode:9} {1e6 * seconds['median']:10.1f} us", flush=True)
            results["lines"].append({"name": name, "precision": precision, "mode": mode, "seconds": seconds})
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump(results, file, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
