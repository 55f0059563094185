"""Checks of a host, with or without cards: Python, disks, clock, login, limits, ports. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex

from jobctl.checks.model import Facts, Finding, Wanted, ok, skipped
from jobctl.host.disk import LOW_BYTES, size_words

OLDEST_PYTHON = (3, 7)
LOW_INODES = 100_000
"""An environment with PaddlePaddle has tens of thousands of files."""
CLOCK_WARNING_S, CLOCK_FAILED_S = 5.0, 300.0
"""Times in logs and of files are compared with the laptop's. Beyond five minutes TLS and Kerberos begin to fail."""
SHM_BYTES_EACH = 1 << 30
"""For each process of a training, of a data loader's batches. A guess that errs to the safe side: a DataLoader with
eight workers holds some 20 batches of 2 x 3 x 1024 x 512 floats, 250 MB."""
NOFILE, NPROC = 4096, 4096
LOCALE_IN = "~/.profile"


def python(facts: Facts, wanted: Wanted) -> Finding:
    """The interpreter that runs the host program; an older one is refused before it can answer."""
    found = facts["python"]
    return ok(f"Python {found['version']}, {found['executable']}")


def venv(facts: Facts, wanted: Wanted) -> Finding:
    """The interpreter that makes the job's environment, and whether it can."""
    if wanted.runtime != "bare":
        return skipped("the image's own Python makes it")
    found = facts["venv"]
    name = found["name"]
    if found["path"] is None:
        remedy = f"sudo apt-get install -y {shlex.quote(name)}" if name.startswith("python") else ""
        return Finding("failed", f"{name} is not on this host", "the Python that makes the job's environment", remedy)
    if found["error"] and ("ensurepip" in found["error"] or "venv" in found["error"]):
        told = f"{found['path']} cannot make a virtual environment: {found['error']}"
        return Finding("failed", told, "a Python with venv and ensurepip", _with_venv(found["path"]))
    if found["error"]:
        return Finding("failed", f"{found['path']} does not run: {found['error']}", "a Python that runs")
    return ok(f"{name} is Python {found['version']} and makes virtual environments")


def _with_venv(path: str) -> str:
    """The distribution's interpreter lacks a package (Debian, Ubuntu); any other was built without."""
    folder, name = posixpath.split(path)
    if folder in ("/usr/bin", "/bin") and re.fullmatch(r"python3(\.\d+)?", name):
        return f"sudo apt-get install -y {name}-venv"
    return f"{shlex.quote(path)} -m ensurepip --version"


def disk(facts: Facts, wanted: Wanted) -> Finding:
    """Room on the disk of the work_dir, and the right to write there."""
    found = facts["work_dir"]
    path, free, total = found["path"], found["free_bytes"], found["total_bytes"]
    look = f"du -xh -d 2 {shlex.quote(path)} | sort -h | tail"
    words = f"{size_words(free)} of {size_words(total)} free in {path}"
    enough = f"{size_words(LOW_BYTES)} free"
    if found["error"] and "space" not in found["error"] and "quota" not in found["error"].lower():
        remedy = f"sudo chown -R $(id -un) {shlex.quote(path)}" if "ermission" in found["error"] else ""
        return Finding("failed", f"nothing can be written to {path}: {found['error']}", "to write there", remedy)
    if found["error"]:
        return Finding("failed", f"{words}; a file of 64 kB could not be written: {found['error']}", enough, look)
    if free < LOW_BYTES:
        return Finding("failed", words, enough, look)
    return ok(words)


def inodes(facts: Facts, wanted: Wanted) -> Finding:
    """Room for more files: a disk can have bytes left and none of these."""
    found = facts["work_dir"]
    free, total, path = found["free_inodes"], found["total_inodes"], found["path"]
    if total == 0:  # Btrfs, and network file systems, count none
        return ok("this file system has no fixed number of files")
    words = f"{free:,} more files fit on the disk of {path}"
    if free < LOW_INODES:
        remedy = f"du -x --inodes -d 2 {shlex.quote(path)} | sort -n | tail"
        return Finding(
            "failed", words, f"{LOW_INODES:,}: an environment with PaddlePaddle has tens of thousands", remedy
        )
    return ok(words)


def clock(facts: Facts, wanted: Wanted) -> Finding:
    """How far the two clocks are apart."""
    off, error = facts.clock_offset_s, facts.clock_error_s
    sure = f" (plus or minus {error:.2f} s)" if error >= 0.01 else ""
    words = f"{abs(off):.2f} s {'ahead of' if off > 0 else 'behind'} this machine's{sure}"
    if abs(off) - error > CLOCK_FAILED_S:
        return Finding("failed", words, f"within {CLOCK_WARNING_S:.0f} s", "sudo timedatectl set-ntp true")
    if abs(off) - error > CLOCK_WARNING_S:
        return Finding("warning", words, f"within {CLOCK_WARNING_S:.0f} s", "sudo timedatectl set-ntp true")
    return ok(words)
