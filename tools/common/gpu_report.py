#!/usr/bin/env python3
"""Turns what tools/gpu_check left in its work folder into gpu-NAME.json, gpu-NAME.md and gpu-NAME.log.

steps.tsv holds a line for each step: name, status, seconds, note, command. figures/*.json are files of bsg_bench and of
pytorch_gpu.py, figures/*.metrics.jsonl of bsg_train. A figure that is not there is no figure: nothing is filled in."""

import argparse
import csv
import datetime
import json
import pathlib
import re

LOG_LINES = 200  # of each step, in the .log

MACHINE = (
    ("driver", "driver", ""),
    ("memory_mib", "memory", " MiB"),
    ("most_sm_mhz", "highest SM clock", " MHz"),
    ("most_memory_mhz", "highest memory clock", " MHz"),
    ("power_limit_w", "power limit", " W"),
    ("sm_mhz", "SM clock before", " MHz"),
    ("memory_mhz", "memory clock before", " MHz"),
    ("temperature_c", "temperature before", " °C"),
    ("sm_mhz_after", "SM clock after", " MHz"),
    ("memory_mhz_after", "memory clock after", " MHz"),
    ("temperature_c_after", "temperature after", " °C"),
)
BEFORE = ["gpu"] + [key for key, _, _ in MACHINE if not key.endswith("_after")]
AFTER = [key for key, _, _ in MACHINE if key.endswith("_after")]


def fields(path, names):
    """What one line of nvidia-smi's CSV says, by name."""
    if not path.is_file():
        return {}
    values = [value.strip() for value in path.read_text().strip().split(",")]
    return dict(zip(names, values)) if len(values) == len(names) else {}


def portable(command, folders):
    """The command without the folders of this run, so that it says what to run anywhere."""
    for folder in folders:
        command = command.replace(f"{folder}/", "")
    return command


def read_steps(work):
    logs = {int(log.name.split("-")[0]): log for log in (work / "logs").iterdir()}
    with open(work / "steps.tsv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for index, (name, status, seconds, note, command) in enumerate(rows):
        step = {"name": name, "status": status, "seconds": int(seconds), "command": command}
        if note:
            step["note"] = note
        log = logs.get(index)
        yield step, log.read_text(errors="replace") if log else ""


def read_figures(work):
    """By name; a file that its program did not finish is left out."""
    figures = {}
    for path in sorted((work / "figures").iterdir()):
        text = path.read_text(errors="replace")
        try:
            if path.name.endswith(".metrics.jsonl"):
                figures[path.name.removesuffix(".metrics.jsonl")] = [json.loads(line) for line in text.splitlines()]
            else:
                figures[path.stem] = json.loads(text)
        except json.JSONDecodeError:
            continue
    return figures


def cell(value):
    return str(value).replace("|", "\\|")


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell(value) for value in row) + " |"


def number(value, form="{:.3g}"):
    return "" if value is None else form.format(value)


def bench_section(name, figures):
    yield f"### {name}"
    yield ""
    yield f"    {figures['command']}"
    yield ""
    yield from table(
        ("", "gates", "us", "images/s", "GFLOP/s", "to own dense", "proportionality"),
        (
            (
                line["name"],
                line["gates"],
                number(1e6 * line["seconds"]["median"], "{:.1f}"),
                number(line["images_per_second"], "{:.0f}"),
                number(line["gflops"], "{:.0f}"),
                number((line["ratio_to_dense"] or {}).get("median")),
                number(line["proportionality"]),
            )
            for line in figures["lines"]
        ),
    )
    yield ""


def pytorch_section(figures):
    yield f"### PyTorch {figures['version']}, cuDNN {figures['cudnn']}"
    yield ""
    yield f"    {figures['command']}"
    yield ""
    yield from table(
        ("", "precision", "mode", "us"),
        (
            (line["name"], line["precision"], line["mode"], number(1e6 * line["seconds"]["median"], "{:.1f}"))
            for line in figures["lines"]
        ),
    )
    yield ""


def training_section(name, rows):
    yield f"### Training, {name}"
    yield ""
    keys = ("loss", "top1", "density", "images_per_second")
    yield from table(
        ("epoch", "split", *keys),
        ((row["epoch"], row["split"], *(number(row.get(key), "{:.4g}") for key in keys)) for row in rows),
    )
    yield ""


def markdown(report):
    yield f"# {report['gpu']}"
    yield ""
    command = "tools/gpu_check --quick" if report["kind"] == "quick" else "tools/gpu_check"
    yield f"`{command}`, commit {report['commit']}, {report['date']}, {report['seconds']} s."
    yield ""
    machine = report["machine"]
    yield from table(("machine", ""), ((text, machine[key] + unit) for key, text, unit in MACHINE if key in machine))
    yield ""
    yield "## Steps"
    yield ""
    yield from table(
        ("step", "result", "s", "command"),
        (
            (
                step["name"],
                step["status"] + (": " + step["note"] if "note" in step else ""),
                step["seconds"],
                f"`{step['command']}`" if step["command"] else "",
            )
            for step in report["steps"]
        ),
    )
    yield ""
    if report["figures"]:
        yield "## Figures"
        yield ""
    for name, figures in report["figures"].items():
        if isinstance(figures, list):
            if figures:
                yield from training_section(name, figures)
        elif figures.get("program") == "bsg_bench":
            yield from bench_section(name, figures)
        elif figures.get("program") == "pytorch_gpu":
            yield from pytorch_section(figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--kind", choices=["full", "quick"], required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--leave-out", nargs="*", default=[], help="folders that commands are shown without")
    options = parser.parse_args()

    machine = fields(options.work / "before", BEFORE)
    gpu = machine.pop("gpu", "unknown GPU")
    machine.update(fields(options.work / "after", AFTER))
    steps = list(read_steps(options.work))
    figures = read_figures(options.work)
    for entry in [step for step, _ in steps] + [entry for entry in figures.values() if isinstance(entry, dict)]:
        entry["command"] = portable(entry["command"], options.leave_out)
    report = {
        "gpu": gpu,
        "commit": options.commit,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kind": options.kind,
        "seconds": options.seconds,
        "machine": machine,
        "steps": [step for step, _ in steps],
        "figures": figures,
    }
    name = "gpu-" + re.sub(r"[^a-z0-9]+", "-", gpu.lower().removeprefix("nvidia ")).strip("-")
    if options.kind == "quick":
        name += "-quick"
    (options.out / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / f"{name}.md").write_text("\n".join(markdown(report)).rstrip() + "\n")
    with open(options.out / f"{name}.log", "w", encoding="utf-8") as file:
        for step, log in steps:
            lines = log.splitlines()
            left_out = [f"... {len(lines) - LOG_LINES} lines"] if len(lines) > LOG_LINES else []
            file.write("\n".join([f"==> {step['name']}: {step['status']}", *left_out, *lines[-LOG_LINES:], "", ""]))
    counts = [sum(step["status"] == status for step, _ in steps) for status in ("passed", "failed", "skipped")]
    print(f"{counts[0]} passed, {counts[1]} failed, {counts[2]} skipped: {options.out / name}.json, .md, .log")


if __name__ == "__main__":
    main()
