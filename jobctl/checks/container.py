"""Checks of the machine and its container engine against the job's images and wheels. Pure."""

from __future__ import annotations

import re
import shlex

from jobctl.checks.model import Facts, Finding, Wanted, ok, skipped, unknown

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The kernel's word, and that of the engines (Go's)."""
_WHEEL = re.compile(r"[^/\s]+-(?P<platform>[\w.]+)\.whl\b")
_INSTALL = {"docker": "docker.io", "podman": "podman"}


def architecture(facts: Facts, wanted: Wanted) -> Finding:
    """The processor, against the images and the wheels that the job names."""
    arch = facts["machine"]["arch"]
    if arch not in ARCHITECTURES:
        return Finding("failed", arch, " or ".join(ARCHITECTURES) + ": there are no wheels for another")
    job = wanted.job
    if job is None:
        return ok(arch)
    if wanted.runtime != "bare" and arch not in job.image:
        named = ", ".join(job.image) or "none"
        change = f"image.{arch}=NAME"
        remedy = wanted.command("plan", wanted.config_word, "--host", wanted.host, "--set", change)
        return Finding("failed", f"{arch}; the job has images for: {named}", f"an image for {arch}", remedy, True)
    wheels = [word for arguments in job.environment.install for word in arguments if _is_of_another(word, arch)]
    if wheels:
        return Finding("failed", f"{arch}; the job installs {wheels[0]}", f"a wheel for {arch}")
    return ok(arch)


def _is_of_another(word: str, arch: str) -> bool:
    found = _WHEEL.search(word)
    return found is not None and not found["platform"].endswith((arch, "any"))


def engine(facts: Facts, wanted: Wanted) -> Finding:
    """The container engine: there, running, and for this user."""
    found = facts["container"]
    if wanted.runtime == "bare" or found is None:
        return skipped("runtime: bare needs none")
    name, error = found["engine"], found["error"]
    if not error:
        ascend = ", with Ascend Docker Runtime" if "ascend" in found["runtimes"] else ""
        return ok(f"{name} {found['version']}{ascend}")
    told = f"{name}: {error}"
    if not found["there"]:
        return Finding("failed", told, name, f"sudo apt-get install -y {_INSTALL.get(name, name)}")
    if "permission denied" in error.lower():
        user = shlex.quote(str(facts["user"]["name"] or facts["user"]["uid"]))
        return Finding("failed", told, "to be in its group", f"sudo usermod -aG {name} {user}")
    return Finding("failed", told, "that it answers", f"sudo systemctl start {name}")


def image(facts: Facts, wanted: Wanted) -> Finding:
    """The job's image, and whether it is of this host's architecture."""
    found = facts["container"]
    if wanted.runtime == "bare" or found is None or wanted.job is None:
        return skipped("runtime: bare needs none" if wanted.runtime == "bare" else "no config was named")
    name = wanted.job.image.get(facts["machine"]["arch"])
    if name is None or found["error"]:
        return unknown("see architecture" if name is None else "the engine does not answer")
    if found["image"] is None:
        told = f"{name} is not on this host; the first run pulls it, or a bundle brings it"
        return Finding("warning", told, "it is there", f"{found['engine']} pull {shlex.quote(name)}")
    if found["image"]["error"]:
        wants = ARCHITECTURES[facts["machine"]["arch"]]
        remedy = f"{found['engine']} pull --platform linux/{wants} {shlex.quote(name)}"
        return Finding("failed", found["image"]["error"], f"one for {wants}", remedy)
    return ok(f"{name} is there")


def mounts(facts: Facts, wanted: Wanted) -> Finding:
    """What of the host's driver a container is given."""
    found = facts["container"]
    if wanted.runtime == "bare" or found is None or not found["mounts"]:
        return skipped("runtime: bare needs none" if wanted.runtime == "bare" else "the job runs on CPUs")
    missing = [path for path, there in found["mounts"].items() if not there]
    if missing:
        told = f"not on this host: {', '.join(missing)}"
        return Finding(
            "failed",
            told,
            "the driver's files, which the container is given",
            f"ls -ld {' '.join(map(shlex.quote, missing))}",
        )
    return ok(", ".join(found["mounts"]))
