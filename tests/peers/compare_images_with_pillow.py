#!/usr/bin/env python3
"""Compares what a network would be given of real photographs (bsg_data preview) with what Pillow makes of them.

The shorter side is resized to 8/7 of the network's size, bilinear and antialiased, and the middle is cropped. bsg decodes
only what that needs, at a reduced scale where it can; Pillow decodes everything. At 224, bsg may differ by one grey level
as the mean over pixels and images. At 64, where nearly all photographs are decoded at a reduced scale, it may differ by
no more than Pillow does from itself when it decodes at a reduced scale too (its draft mode), and a quarter of a level.

The photographs are imagenet-sample-100.tar in the folder that BSG_DATA names, or else in ../shared/data.
Exit status: 0 they agree, 1 they do not, 77 skipped because there is no Pillow or there are no photographs."""

import argparse
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

try:
    from PIL import Image, ImageChops, ImageOps, ImageStat
except ImportError:
    print(f"compare_images_with_pillow: skipped, {sys.executable} has no PIL (Debian: apt-get install python3-pil)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def photographs(folder):
    """Unpacks them into the folder as a data set."""
    data = pathlib.Path(os.environ.get("BSG_DATA", "../shared/data"))
    packed = data / "imagenet-sample-100.tar"
    if not packed.is_file():
        print(f"compare_images_with_pillow: skipped, no {packed.name} in {data} (BSG_DATA names another folder)")
        sys.exit(77)
    with tarfile.open(packed) as archive:
        archive.extractall(folder)
    for split in ("train", "val"):
        (folder / split).symlink_to("imagenet-sample")


def with_pillow(path, size, resize, draft):
    image = Image.open(path)
    if draft:
        width, height = image.size
        scale = resize / min(width, height)
        image.draft("RGB", (round(width * scale), round(height * scale)))
    image = ImageOps.exif_transpose(image).convert("RGB")
    width, height = image.size
    if width <= height:
        width, height = resize, resize * height // width
    else:
        width, height = resize * width // height, resize
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.resize((width, height), Image.BILINEAR).crop((left, top, left + size, top + size))


def mean_difference(a, b):
    return sum(ImageStat.Stat(ImageChops.difference(a, b)).mean) / 3


def compare(program, data, folder, size):
    """Mean differences over all images: bsg from Pillow, Pillow's draft mode from Pillow; the largest of the former."""
    resize = size * 8 // 7
    out = folder / f"preview{size}"
    command = [program, "preview", data, out, "--split", "test", "--size", str(size), "--resize", str(resize)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ours, drafts = [], []
    for line in (out / "sources.txt").read_text().splitlines():
        name, source = line.split(" ", 1)
        whole = with_pillow(source, size, resize, draft=False)
        ours.append(mean_difference(Image.open(out / name), whole))
        drafts.append(mean_difference(with_pillow(source, size, resize, draft=True), whole))
    return sum(ours) / len(ours), sum(drafts) / len(drafts), max(ours), len(ours)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/bin/bsg_data")
    options = parser.parse_args()
    if not options.program.is_file():
        sys.exit(f"compare_images_with_pillow: {options.program} is not there; build the preset release first")
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        photographs(folder)
        for size in (224, 64):
            ours, draft, worst, images = compare(options.program, folder, folder, size)
            allowed = 1 if size == 224 else draft + 0.25
            print(
                f"{images} photographs at {size}: bsg differs from Pillow by {ours:.3f} grey levels in the mean "
                f"({allowed:.3f} allowed; {worst:.3f} in the worst), Pillow's draft mode by {draft:.3f}"
            )
            failed |= not (images == 100 and ours <= allowed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
