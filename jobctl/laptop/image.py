"""Container images as a tar: given, or saved by the Docker Engine of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from jobctl.errors import InputError

_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


def save_image(name: str, arch: str, target: Path, tell: Callable[[str], None]) -> None:
    """`docker save` of an image, pulled first where it is not here for that architecture. Raises InputError."""
    docker = shutil.which("docker")
    if docker is None:
        raise InputError(
            "there is no docker on this machine to save the image with",
            value=name,
            hint="where there is one: docker save -o image.tar IMAGE",
            next_command="jobctl bundle CONFIG -o FILE --image image.tar",
        )
    platform = _PLATFORMS[arch]
    shape = [docker, "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", "--", name]
    here = subprocess.run(shape, capture_output=True, text=True)
    if here.stdout.strip() != platform:
        tell(f"docker pull --platform {platform} {name}")
        _run([docker, "pull", "--quiet", "--platform", platform, "--", name], name)
    tell(f"docker save {name}")
    beside = target.with_name(target.name + ".part")
    _run([docker, "save", "--output", os.fspath(beside), "--", name], name)
    beside.replace(target)


def _run(argv: list[str], name: str) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise InputError(f"docker {argv[1]} failed", where=name, value=lines[-1] if lines else None)
