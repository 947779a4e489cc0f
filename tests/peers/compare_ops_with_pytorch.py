#!/usr/bin/env python3
"""Runs the ops of bsg_op on random tensors and compares values and gradients with PyTorch's.

In double both must agree to 1e-11 of the result's size. In float bsg may be at most twice as far as PyTorch from
PyTorch's result in double (or twice as far as rounding once, where PyTorch is better than that), as the root mean square
over all cases of an op; in a single case, where PyTorch may be lucky, eight times as far.
With --device simt (or cuda), in float alone.
Exit status: 0 all agree, 1 some do not, 77 skipped because there is no PyTorch or no such device."""

import argparse
import dataclasses
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
import typing

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print(f"compare_ops_with_pytorch: skipped, {sys.executable} has no torch (Debian: apt-get install python3-torch)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DTYPES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        flat = tensor.detach().contiguous().flatten()
        blob = bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    content = bytearray(path.read_bytes())
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        flat = torch.empty(0, dtype=dtype)
        if end > begin:
            flat = torch.frombuffer(content[8 + length + begin : 8 + length + end], dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


@dataclasses.dataclass
class Case:
    op: str
    # The op in PyTorch: takes the tensors by name, returns y, or y and a dictionary of further results.
    function: typing.Callable
    tensors: dict
    attributes: dict = dataclasses.field(default_factory=dict)
    states: tuple = ()  # names of tensors that are not differentiable
    dtypes: tuple = (torch.float64, torch.float32)  # that its tensors may have, and its results then have

    def __str__(self):
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in self.tensors.items())
        return f"{self.op} {shapes} {self.attributes if self.attributes else ''}"


def normal(*shape, scale=1.0, shift=0.0):
    return torch.randn(shape, dtype=torch.float64) * scale + shift


def gates(n, c, density=0.5):
    return (torch.rand(n, c) < density).double()


def class_weights(classes):
    """Positive, in float as in double; unequal."""
    return torch.logspace(-1, 1, classes, dtype=torch.float32).double()


def on_planes(gate):
    return gate[:, :, None, None]


def convolution_cases():
    for n, c, h, w, k, kernel, stride, padding, dilation in (
        (2, 3, 32, 32, 16, 3, 1, 1, 1),
        (2, 16, 15, 17, 8, 3, 2, 1, 1),
        (1, 4, 9, 9, 5, 1, 1, 0, 1),
        (2, 4, 8, 8, 6, 1, 2, 0, 1),
        (1, 3, 13, 11, 4, 3, 1, 2, 2),
        (1, 8, 23, 26, 9, 3, 1, 4, 4),
        (1, 3, 21, 20, 4, 7, 2, 3, 1),
        (1, 2, 1, 1, 3, 3, 1, 1, 1),
        (3, 5, 7, 7, 4, 3, 3, 2, 2),
        (1, 2, 2, 3, 3, 5, 1, 2, 1),
    ):
        attributes = {"stride": stride, "padding": padding, "dilation": dilation}
        x, weight = normal(n, c, h, w), normal(k, c, kernel, kernel)
        yield Case(
            "conv2d",
            lambda x, weight, bias, a=attributes: F.conv2d(x, weight, bias, **a),
            {"x": x, "weight": weight, "bias": normal(k)},
            attributes,
        )
        for density in (0.0, 0.4, 1.0):
            yield Case(
                "gated_input_conv2d",
                lambda x, weight, gate, a=attributes: F.conv2d(x * on_planes(gate), weight, None, **a),
                {"x": x, "weight": weight, "gate": gates(n, c, density)},
                attributes,
            )
            yield Case(
                "gated_output_conv2d",
                lambda x, weight, gate, a=attributes: F.conv2d(x, weight, None, **a) * on_planes(gate),
                {"x": x, "weight": weight, "gate": gates(n, k, density)},
                attributes,
            )


def pooling_cases():
    for shape, kernel, stride, padding, dilation in (
        ((2, 3, 8, 8), 2, 2, 0, 1),
        ((2, 4, 17, 15), 3, 2, 1, 1),
        ((1, 2, 7, 7), 3, 1, 1, 1),
        ((1, 2, 12, 11), 3, 2, 1, 2),
        ((1, 1, 1, 1), 1, 1, 0, 1),
        ((2, 2, 1, 1), 3, 1, 1, 1),
        ((1, 2, 3, 2), 4, 3, 2, 1),
        ((2, 3, 6, 9), 2, 3, 0, 1),
    ):
        x = normal(*shape)
        attributes = {"kernel": kernel, "stride": stride, "padding": padding}
        yield Case(
            "max_pool2d",
            lambda x, k=kernel, s=stride, p=padding, d=dilation: F.max_pool2d(x, k, s, p, d),
            {"x": x},
            {**attributes, "dilation": dilation},
        )
        if dilation == 1:
            for counted in (True, False):
                yield Case(
                    "average_pool2d",
                    lambda x, k=kernel, s=stride, p=padding, c=counted: F.avg_pool2d(x, k, s, p, False, c),
                    {"x": x},
                    {**attributes, "count_include_pad": counted},
                )
    for shape, height, width in (
        ((2, 3, 4, 5), 8, 10),
        ((1, 2, 7, 5), 3, 9),
        ((1, 2, 1, 1), 4, 3),
        ((2, 1, 6, 6), 1, 1),
        ((1, 2, 5, 5), 5, 5),
        ((1, 1, 3, 4), 33, 29),
    ):
        for align_corners in (False, True):
            yield Case(
                "bilinear_resize",
                lambda x, size=(height, width), a=align_corners: F.interpolate(
                    x, size, mode="bilinear", align_corners=a
                ),
                {"x": normal(*shape)},
                {"height": height, "width": width, "align_corners": align_corners},
            )
    for shape, height, width in (((2, 3, 8, 8), 2, 4), ((1, 2, 7, 11), 3, 6), ((2, 1, 5, 4), 6, 6), ((1, 2, 9, 9), 1, 1)):
        yield Case(
            "adaptive_average_pool2d",
            lambda x, size=(height, width): F.adaptive_avg_pool2d(x, size),
            {"x": normal(*shape)},
            {"out_height": height, "out_width": width},
        )
    yield Case("dropout2d", lambda x: F.dropout2d(x, 0.5, False), {"x": normal(2, 3, 4, 5)}, {"p": 0.5, "training": False})
    for shape in ((2, 3, 8, 8), (1, 2, 1, 1), (3, 1, 7, 5)):
        yield Case("global_average_pool", lambda x: x.mean((2, 3)), {"x": normal(*shape)})


def normalisation_cases():
    for shape in ((8, 5, 6, 6), (2, 3, 7, 5), (1, 4, 9, 9), (16, 16), (3, 2, 1, 1)):
        channels = shape[1]
        for training in (True, False):
            for relu in (True, False):
                for residual in (True, False):

                    def function(x, weight, bias, running_mean, running_var, residual=None, t=training, r=relu):
                        mean, variance = running_mean.clone(), running_var.clone()
                        y = F.batch_norm(x, mean, variance, weight, bias, t, 0.1, 1e-5)
                        y = y if residual is None else y + residual
                        moved = {"running_mean": mean, "running_var": variance} if t else {}
                        return F.relu(y) if r else y, moved

                    tensors = {
                        "x": normal(*shape, shift=0.5),
                        "weight": normal(channels),
                        "bias": normal(channels),
                        "running_mean": normal(channels),
                        "running_var": normal(channels).abs() + 0.5,
                    }
                    if residual:
                        tensors["residual"] = normal(*shape)
                    yield Case(
                        "batch_norm",
                        function,
                        tensors,
                        {"training": training, "relu": relu},
                        ("running_mean", "running_var"),
                    )


def shortcut(x, out_channels, stride):
    before = (out_channels - x.shape[1]) // 2
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, before, out_channels - x.shape[1] - before))


def simple_cases():
    for shape in ((2, 3, 5, 4), (7,), (1,), (0, 3)):
        yield Case("relu", lambda x: F.relu(x), {"x": normal(*shape)})
        yield Case("sigmoid", lambda x: torch.sigmoid(x), {"x": normal(*shape, scale=5)})
        yield Case("add", lambda a, b: a + b, {"a": normal(*shape), "b": normal(*shape)})
    yield Case("mul_gate", lambda x, gate: x * on_planes(gate), {"x": normal(2, 3, 4, 5), "gate": normal(2, 3)})
    yield Case(
        "concat",
        lambda x0, x1, x2: torch.cat((x0, x1, x2), 1),
        {f"x{i}": normal(2, i + 1, 3, 4) for i in range(3)},
    )
    yield Case("cast", lambda x: x, {"x": normal(2, 3)}, {"dtype": "f32"}, dtypes=(torch.float32,))
    yield Case("concat", lambda x0, x1: torch.cat((x0, x1), 1), {"x0": normal(4, 3), "x1": normal(4, 2)})
    yield Case(
        "weighted_sum", lambda x0, x1: 2 * x0 - 0.5 * x1, {"x0": normal(1), "x1": normal(1)}, {"weights": "2,-0.5"}
    )
    for n, inputs, outputs in ((128, 64, 10), (1, 1, 1), (3, 17, 16)):
        yield Case(
            "linear",
            lambda x, weight, bias: F.linear(x, weight, bias),
            {"x": normal(n, inputs), "weight": normal(outputs, inputs), "bias": normal(outputs)},
        )
    yield Case("linear", lambda x, weight: F.linear(x, weight), {"x": normal(5, 4), "weight": normal(3, 4)})
    for channels, out_channels, stride in ((4, 8, 2), (3, 6, 1), (3, 3, 2), (2, 5, 3)):
        yield Case(
            "option_a_shortcut",
            lambda x, k=out_channels, s=stride: shortcut(x, k, s),
            {"x": normal(2, channels, 7, 8)},
            {"out_channels": out_channels, "stride": stride},
        )


def straight_through(logits, temperature):
    soft = torch.sigmoid(logits / temperature)
    hard = (logits > 0).to(logits.dtype)
    return hard + (soft - soft.detach())


def shaping_loss(x, cdf, divisor):
    ranked, _ = torch.sort(x, 0)
    n = x.shape[0]
    expected = torch.arange(1, n + 1, dtype=x.dtype)[:, None] / (n + 1)
    return ((expected - cdf(ranked)) ** 2).sum().reshape(1) / divisor


def loss_cases():
    for shape in ((8, 10), (1, 1), (4, 3), (2, 5, 4, 3)):
        positions = (shape[0], *shape[2:])
        labels = torch.randint(0, shape[1], positions)
        if labels.numel() > 2:
            labels.view(-1)[1] = -100
        for smoothing in (0.0, 0.1):
            yield Case(
                "softmax_cross_entropy",
                lambda logits, labels, s=smoothing: F.cross_entropy(logits, labels, label_smoothing=s).reshape(1),
                {"logits": normal(*shape, scale=3), "labels": labels},
                {"label_smoothing": smoothing},
                ("labels",),
            )
            yield Case(
                "softmax_cross_entropy",
                lambda logits, labels, class_weights, s=smoothing: F.cross_entropy(
                    logits, labels, class_weights, label_smoothing=s
                ).reshape(1),
                {"logits": normal(*shape, scale=3), "labels": labels, "class_weights": class_weights(shape[1])},
                {"label_smoothing": smoothing},
                ("labels", "class_weights"),
            )
    logits = normal(16, 12, scale=2)
    yield Case("l0_loss", lambda logits: torch.sigmoid(logits).mean().reshape(1), {"logits": logits})
    for attributes in ({"training": False}, {"noise": 0, "temperature": 0.5}):
        yield Case(
            "binary_concrete_gate",
            lambda logits, t=attributes.get("temperature", 2 / 3): straight_through(logits, t),
            {"logits": logits},
            attributes,
        )
    # Priors whose distribution function is elementary, with the density unclipped, so that autograd gives the gradient.
    priors = {
        (1, 3): lambda x: 1 - (1 - x) ** 3,
        (2, 6): lambda x: 1 - 7 * (1 - x) ** 6 + 6 * (1 - x) ** 7,
        (0.5, 1): lambda x: x**0.5,
    }
    for (a, b), cdf in priors.items():
        for n in (1, 2, 33):
            attributes = {"a": a, "b": b, "pdf_min": 0, "pdf_max": "inf"}
            yield Case(
                "batch_shaping_loss",
                lambda probabilities, f=cdf, n=n: shaping_loss(probabilities, f, n),
                {"probabilities": torch.rand(n, 6, dtype=torch.float64) * 0.98 + 0.01},
                attributes,
            )
            yield Case(
                "batch_shaping_loss_from_logits",
                lambda logits, f=cdf, n=n: shaping_loss(torch.sigmoid(logits), f, n * logits.shape[1]),
                {"logits": normal(n, 6)},
                {**attributes, "normalization": "batch_mean_gate_mean"},
            )


def with_pytorch(case, tensors, grad_output):
    """y, further results and grad_* of the case in PyTorch, by name, in double."""
    leaves = {
        name: tensor.clone().requires_grad_(name not in case.states and tensor.is_floating_point())
        for name, tensor in tensors.items()
    }
    y = case.function(**leaves)
    y, results = y if isinstance(y, tuple) else (y, {})
    results = {**results, "y": y.detach()}
    if grad_output is not None:
        y.backward(grad_output)
        for name, leaf in leaves.items():
            if leaf.requires_grad:
                results["grad_" + name] = leaf.grad
    return {name: tensor.double() for name, tensor in results.items()}


def with_bsg(case, program, device, folder, tensors):
    source, target = folder / "in.safetensors", folder / "out.safetensors"
    write_safetensors(source, tensors)
    command = [program, case.op, source, target, "--device", device]
    for key, value in case.attributes.items():
        command += ["--attr", f"{key}={str(value).lower()}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 2 and "is not at hand" in done.stderr:
        print(f"compare_ops_with_pytorch: skipped, {done.stderr.strip()}")
        sys.exit(77)
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip()}")
    return read_safetensors(target)


def rms(tensor):
    return tensor.pow(2).mean().sqrt().item() if tensor.numel() else 0.0


class Errors:
    """Errors in float of one result of one op, over all its cases, relative to the results' sizes."""

    def __init__(self):
        self.bsg, self.peer = 0.0, 0.0

    def add(self, bsg, peer):
        self.bsg += bsg**2
        self.peer += peer**2

    def ratio(self):
        return math.sqrt(self.bsg / self.peer) if self.peer > 0 else 0.0


def differences(case, program, device, folder, dtype, errors):
    """What does not agree, one line each; adds to errors[op, result]."""
    tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in case.tensors.items()}
    wide = {name: t.double() if t.is_floating_point() else t for name, t in tensors.items()}
    shape = with_pytorch(case, wide, None)["y"].shape
    grad_output = torch.randn(shape, dtype=torch.float64).to(dtype)
    exact = with_pytorch(case, wide, grad_output.double())
    peer = with_pytorch(case, tensors, grad_output)
    got = with_bsg(case, program, device, folder, {**tensors, "grad_output": grad_output})
    if got.keys() != exact.keys():
        return [f"bsg gives {sorted(got)}, PyTorch {sorted(exact)}"]
    lines = []
    for name, want in exact.items():
        have = got[name]
        if have.shape != want.shape or have.dtype != dtype:
            lines.append(f"{name}: {have.dtype} {list(have.shape)}, expected {dtype} {list(want.shape)}")
            continue
        # A result that is small because terms of size 1 cancel in it counts as one of size 0.01.
        error, size = rms(have.double() - want), max(rms(want), 0.01)
        if dtype == torch.float64:
            allowed = 1e-11 * size
        else:
            peer_error = max(rms(peer[name] - want), 0.5 * torch.finfo(dtype).eps * size)
            allowed = 8 * peer_error
            errors.setdefault((case.op, name), Errors()).add(error / size, peer_error / size)
        if not error <= allowed:
            lines.append(f"{name}: off by {error:.3g}, {allowed:.3g} allowed, size {size:.3g}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/bin/bsg_op")
    parser.add_argument("--device", default="cpu", help="cpu, simt or cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="run the cases of this op")
    options = parser.parse_args()
    if not options.program.is_file():
        sys.exit(f"compare_ops_with_pytorch: {options.program} is not there; build the preset release first")
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    cases = [
        case
        for family in (convolution_cases, pooling_cases, normalisation_cases, simple_cases, loss_cases)
        for case in family()
        if options.only in (None, case.op)
    ]
    listed = subprocess.run([options.program, "--list"], capture_output=True, text=True, check=True).stdout
    ops = {line for line in listed.splitlines() if not line.startswith(" ")}
    missing = ops - {case.op for case in cases} if options.only is None else set()
    errors, failed = {}, len(missing)
    for op in sorted(missing):
        print(f"{op}: no case here")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            for dtype in case.dtypes if options.device == "cpu" else (torch.float32,):
                try:
                    lines = differences(case, options.program, options.device, pathlib.Path(folder), dtype, errors)
                except RuntimeError as error:
                    lines = [str(error)]
                failed += bool(lines)
                for line in lines:
                    print(f"{case} {dtype}: {line}")
    print("errors of bsg in f32, as multiples of PyTorch's (of rounding once, where PyTorch's are smaller):")
    for (op, result), error in sorted(errors.items()):
        ok = error.ratio() <= 2
        failed += not ok
        print(f"  {op:31} {result:19} {error.ratio():5.2f}{'' if ok else '  more than 2'}")
    print(f"PyTorch {torch.__version__}: {len(cases)} cases of {len(ops)} ops on {options.device}, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
