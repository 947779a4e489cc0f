"""What the comparisons share: programs that take turns, each in a process of its own."""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = HERE.parent.parent / "build/release/bin"
# For PyTorch: a malloc that keeps freed memory, where the usual one unmaps activations and page-faults them again at every op.
KEEP_FREED_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=67108864"
}


def fail(text):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {text}")


def need_program(path):
    if not path.is_file():
        fail(f"{path} is not there; build the preset release first")


def run(command, environment=None, text=""):
    """Standard output, and the largest resident set in bytes. `text` is the standard input."""
    command = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as out:
        given.write(text)
        given.seek(0)
        process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdin=given, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if status != 0:
            fail(f"{' '.join(command)} ended with status {process.returncode}")
        out.seek(0)
        return out.read(), 1024 * usage.ru_maxrss


def turns(count, what="repeat"):
    """0 to count - 1, counted on a terminal."""
    for turn in range(count):
        yield turn
        if sys.stderr.isatty():
            print(f"\r{what} {turn + 1} of {count}", end="\n" if turn + 1 == count else "", file=sys.stderr, flush=True)
