"""Asking a container engine: whether it is there and lets us, which images it has, and to end what a run left in it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

from .container_argv import list_argv, remove_argv
from .files import Json

CLIENT_MARK = "JOBCTL_ENGINE_CLIENT"
"""In the environment of the engine's clients that we start: by it ending.py knows them."""

UNKNOWN = "of which the engine tells nothing"
"""In place of the ids of containers."""

_PATIENCE_S = 30
_LOADING_S = 3600  # tens of gigabytes, on a disk that others use
_WALKS = 5
_MAKING_S = 0.3
_INFO = '{"security":{{json .SecurityOptions}},"runtimes":{{json .Runtimes}},"version":{{json .ServerVersion}}}'
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # the kernel's word, and the engines' (Go's)


class EngineProblem(Exception):
    """The engine, or the image, is not to be had; the message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotAnswering(EngineProblem):
    """The daemon does not answer; after a start of the host it may be too early for it."""


class Facts(NamedTuple):
    """What matters of an engine. `rootless`: process owner 0 in a container is the user. `remapped`: it is nobody."""

    version: str
    rootless: bool = False
    remapped: bool = False
    runtimes: Sequence[str] = ()


class Image(NamedTuple):
    """An image that the engine has. `digests`: names by which it can be pulled again."""

    id: str
    digests: List[str]


def ask_facts(engine: str) -> Facts:
    """Raises EngineProblem: it is not installed, not running, or not for us."""
    if shutil.which(engine) is None:
        hint = "install it, or `runtime: bare` in the inventory, with CANN on the host itself"
        raise EngineProblem("there is no {} on this host".format(engine), hint)
    if engine == "podman":  # no daemon: what it can do is asked when it runs. Not run on a real Podman
        code, out, err = _run([engine, "version", "--format", "{{.Client.Version}}"])
        if code != 0:
            raise problem_of(engine, err or out)
        return Facts(out.strip(), rootless=os.geteuid() != 0)
    code, out, err = _run([engine, "info", "--format", _INFO])
    try:
        told = json.loads(out)
    except ValueError:
        told = {}
    if code != 0 or not told.get("version"):
        raise problem_of(engine, err or out)
    security = told.get("security") or []
    return Facts(
        told["version"],
        rootless=any(option.startswith("name=rootless") for option in security),
        remapped=any(option.startswith("name=userns") for option in security),
        runtimes=sorted(told.get("runtimes") or {}),
    )


def problem_of(engine: str, said: str) -> EngineProblem:
    """What is wrong with the engine, from what its client said, and what helps. (Docker 20.10, 28)"""
    if "permission denied" in said.lower():
        what = "{} may not be used by {}: permission denied at its socket".format(engine, user_name())
        return EngineProblem(what, "sudo usermod -aG {} {}, then log in again".format(engine, user_name()))
    if "annot connect" in said or "failed to connect" in said or "no answer" in said:
        what = "{} is installed, and its daemon does not answer".format(engine)
        hint = "sudo systemctl start {}; if DOCKER_HOST is set for your login there, it names the daemon".format(engine)
        return NotAnswering(what, hint)
    return EngineProblem("{} does not work: {}".format(engine, last_line(said) or "it says nothing"))


def find_image(engine: str, name: str) -> Optional[Image]:
    """The image of that name or id, None: it is not here. Raises EngineProblem for one of another architecture."""
    code, out, _ = _run([engine, "image", "inspect", name])
    if code != 0:
        return None
    try:
        told: Json = json.loads(out)[0]
    except (ValueError, LookupError):
        return None
    has, wants = told.get("Architecture"), _ARCHITECTURES.get(platform.machine())
    if has and wants and has != wants:
        hint = "name the image for {} in `image` of the config".format(platform.machine())
        raise EngineProblem("the image {} is for {}, and this host is {}".format(name, has, wants), hint)
    return Image(told["Id"], [str(one) for one in told.get("RepoDigests") or []])


def image_for_us(images: Dict[str, str]) -> str:
    """The job's image for this host's architecture. Raises EngineProblem."""
    arch = platform.machine()
    if arch not in images:
        what = "the job has no image for {}, it has one for {}".format(arch, ", ".join(sorted(images)) or "none")
        raise EngineProblem(what, "`image: {{{}: ...}}` in the config".format(arch))
    return images[arch]


def load_image(spec: Json, tar: str) -> None:
    """Take the job's image from a tar as `docker save` writes it. Raises EngineProblem, also where another is in it."""
    name = image_for_us(spec["images"])
    code, out, err = _run([spec["engine"], "load", "--quiet", "--input", tar], patience_s=_LOADING_S)
    if code != 0:
        raise EngineProblem("the image in the bundle cannot be loaded: {}".format(last_line(err or out)))
    if find_image(spec["engine"], name) is None:
        what = "the bundle has another image than {}: {}".format(name, last_line(out) or "it has no name")
        raise EngineProblem(what, "make the bundle again, with `--image`")


def check(spec: Json) -> None:
    """Whether a run with containers can begin here. Raises EngineProblem. An image that is missing is pulled later."""
    name = image_for_us(spec["images"])
    ask_facts(spec["engine"])
    find_image(spec["engine"], name)


def remove_containers(engine: str, run_dir: Path, in_the_making: bool) -> List[str]:
    """End all containers of a run, with every process in them; the ids of those that could not be ended, or UNKNOWN.

    `in_the_making`: a client was killed, and its daemon may yet make what it was asked for. Then it is looked for
    twice; should it come later still, it starts nothing (see container_argv.py).
    """
    if shutil.which(engine) is None:
        return []
    walks, empty = 0, 0
    while True:
        code, out, _ = _run(list_argv(engine, str(run_dir)))
        left = out.split() if code == 0 else [UNKNOWN]
        walks, empty = walks + 1, 0 if left else empty + 1
        if empty > in_the_making or walks > _WALKS:
            return left
        if left and code == 0:
            _run(remove_argv(engine, left))
        else:
            time.sleep(_MAKING_S)


def client_environ() -> Dict[str, str]:
    """The login's, by which the client finds daemon and registries, with our mark and without our own words."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBCTL_")}
    return dict(environ, **{CLIENT_MARK: "1"})


def last_line(text: str) -> str:
    """The last line that says something: the engines end with hints at their own help."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "--help" not in line and not line.startswith("Usage:")), "")


def _run(argv: List[str], patience_s: float = _PATIENCE_S) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=client_environ(),
            timeout=patience_s,
        )
    except subprocess.TimeoutExpired:
        return 124, "", "no answer within {:g} s".format(patience_s)
    except OSError as error:
        return 127, "", str(error.strerror)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def user_name() -> str:
    """Of the user whom we run as; the number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return str(os.getuid())
