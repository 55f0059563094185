"""Wheels for another machine: pip resolves and downloads here what a host without internet is to install.

pip takes the wheels' tags for another machine from its options (`--platform`, `--python-version`), but evaluates
markers such as `python_version < "3.10"`, and for `install --dry-run` also `Requires-Python`, for the Python that it
runs on (22.2 to 25): `_AS_TARGET` mends both.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jobctl.errors import InputError
from jobctl.host.builtin import BuiltinError
from jobctl.host.files import Json
from jobctl.host.locked import make_calls
from jobctl.host.nightly import normal
from jobctl.host.pip_arguments import options_of
from jobctl.host.pip_report import FIRST_PIP, parse_pip_version
from jobctl.host.pip_words import explain_pip, hide_credentials
from jobctl.host.resolving import Pip, resolve_lists
from jobctl.spec.lock import Target

Tell = Callable[[str], None]

_AS_TARGET = """\
import json, os, sys
from pip._vendor.packaging import markers
real, target = markers.default_environment, json.loads(os.environ["JOBCTL_PIP_TARGET"])
markers.default_environment = lambda: {**real(), **target}
from pip._internal.cli.main import main
from pip._internal.cli.req_command import RequirementCommand
make_resolver = RequirementCommand.make_resolver
version = tuple(map(int, target["python_version"].split(".")))
RequirementCommand.make_resolver = staticmethod(lambda *a, **k: make_resolver(*a, **{**k, "py_version_info": version}))
sys.exit(main(sys.argv[1:]))
"""
_NOT_FOUND = re.compile(r"No matching distribution found for ([^\s;(]+)")
_PURE = re.compile(r"-(?:py2\.)?py3-none-any\.whl\Z")
_MOST_BUILDS = 50
DEFAULT_GLIBC = "2.28"
"""That of openEuler 20.03, Kylin V10 and EulerOS 2.8; Ubuntu 20.04 has 2.31."""


class WheelMaker:
    """Finds and fetches wheels for `target`, into `folder`; what is in it already is not fetched again."""

    def __init__(self, target: Target, folder: Path, tell: Tell) -> None:
        self.target = target
        self.folder = folder / "wheels"
        self._built = folder / "built"
        self._tell = tell
        for path in (self.folder, self._built):
            path.mkdir(parents=True, exist_ok=True)
        _check_pip()

    def resolve(self, install: Sequence[Sequence[str]], code: Path) -> list[Json]:
        """The packages of all lists, as `pip_report.merge` gives them. Raises InputError that names what has no wheel.

        A package that has none is built here where it is pure Python.
        """
        lists = [list(arguments) for arguments in install]
        for _ in range(_MOST_BUILDS):
            # pip 22.2 to 23.2 want a --target with --platform, even where nothing is installed.
            options = (*self._options(), "--target", str(self.folder.parent / "nothing"))
            pip = Pip([sys.executable, "-c", _AS_TARGET], str(self.target), self._run, self._tell, options)
            try:
                return resolve_lists(lists, code, pip)
            except BuiltinError as error:
                missing = _NOT_FOUND.search(str(error))
                if missing is None or not self._build(missing[1], lists, code):
                    raise self._explained(str(error), missing[1] if missing else None) from None
        raise InputError("too many packages have no wheel", where=str(self.target))

    def download(self, install: Sequence[Sequence[str]], packages: list[Json], code: Path) -> dict[str, Path]:
        """Exactly these packages: name -> wheel. Raises InputError."""
        lists = [list(arguments) for arguments in install]
        requirements = self.folder.parent / "requirements"
        requirements.mkdir(exist_ok=True)
        for call in make_calls(lists, {"packages": packages}, code, None, requirements):
            if call.file is None or "-c" in call.arguments:
                continue  # what installs from the code tree is built on the host
            (requirements / call.file[0]).write_text(call.file[1])
            argv = [sys.executable, "-c", _AS_TARGET, "download", "--dest", str(self.folder)]
            exit_code, output = self._run([*argv, *self._options(), *call.arguments], code)
            if exit_code != 0:
                missing = _NOT_FOUND.search(output)
                if missing and self._build(missing[1], lists, code):
                    return self.download(install, [_without_hash(row, missing[1]) for row in packages], code)
                told = explain_pip(output, str(self.target), locked=True)
                raise self._explained(told, missing[1] if missing else None)
        return self._chosen(packages)

    def _chosen(self, packages: list[Json]) -> dict[str, Path]:
        there: dict[tuple[str, str], Path] = {}
        for path in sorted(self.folder.glob("*.whl")):
            name, version = path.name.split("-")[:2]
            there[normal(name), version.replace("_", "-").lower()] = path
        found = {}
        for row in packages:
            version = row["version"].replace("_", "-").lower()
            if (row["name"], version) not in there:
                raise InputError(f"pip downloaded no wheel of {row['name']} {row['version']}", where=str(self.target))
            found[row["name"]] = there[row["name"], version]
        return found

    def _build(self, requirement: str, lists: list[list[str]], code: Path) -> bool:
        """Build a wheel of a package that has none for the target; whether it is pure Python, and so fits."""
        self._tell(f"{requirement} has no wheel for {self.target}: building one here")
        for arguments in lists:
            argv = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(self._built)]
            before = set(self._built.glob("*.whl"))
            if self._run([*argv, *options_of(arguments), requirement], code)[0] != 0:
                continue
            new = set(self._built.glob("*.whl")) - before
            for path in new:
                if not _PURE.search(path.name):
                    path.unlink()
            return bool(new) and all(map(Path.exists, new))
        return False

    def _explained(self, told: str, requirement: str | None) -> InputError:
        if requirement is None:
            return InputError(told, where=str(self.target))
        return InputError(
            f"{requirement} has no wheel for {self.target}, and is not pure Python",
            where=told,
            hint="build it where there is such a machine (`pip wheel`), put the wheel into a folder, and add "
            "`--find-links FOLDER` to its `install` list; or ask for a version that has one; --glibc and --python say "
            "which wheels fit",
        )

    def _options(self) -> tuple[str, ...]:
        target = self.target
        platforms = [word for name in _platforms(target) for word in ("--platform", name)]
        python = ["--python-version", target.python, "--implementation", "cp", "--only-binary", ":all:"]
        own = ["--find-links", str(self._built)] if any(self._built.iterdir()) else []
        return (*_QUIET, *platforms, *python, *own)

    def _run(self, argv: list[str], cwd: Path) -> tuple[int, str]:
        self._tell("+ " + hide_credentials(" ".join(["pip", *_shown(argv)])))
        environ = {**os.environ, "JOBCTL_PIP_TARGET": json.dumps(_markers(self.target))}
        said: list[str] = []
        with subprocess.Popen(
            argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as child:
            assert child.stdout
            for line in child.stdout:
                said.append(line.decode("utf-8", "replace"))
                if said[-1].lstrip().startswith("Downloading "):
                    self._tell(hide_credentials(said[-1].strip()))
        return child.returncode, "".join(said)


_QUIET = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")


def _shown(argv: list[str]) -> list[str]:
    """The command as a person would type it, without how we start pip and what every call has."""
    words = iter(argv[3:])
    return [word for word in words if word not in _UNSEEN and not (word in _UNSEEN_VALUES and next(words))]


_UNSEEN = ("--disable-pip-version-check", "--no-input", "--ignore-installed")
_UNSEEN_VALUES = (
    *("--platform", "--progress-bar", "--report", "--target", "--dest", "--python-version", "--implementation"),
    *("--only-binary", "--wheel-dir"),
)


def _without_hash(row: Json, requirement: str) -> Json:
    same = normal(re.split(r"[=<>!~\[]", requirement)[0]) == row["name"]
    return {**row, "sha256": None} if same else row


def _platforms(target: Target) -> list[str]:
    """The tags that fit: glibc 2.5 up to the target's (PEP 600), with their older names."""
    newest = int((target.glibc or DEFAULT_GLIBC).split(".")[1])
    older = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    found = []
    for minor in range(newest, 4, -1):
        found.append(f"manylinux_2_{minor}_{target.arch}")
        if minor in older:
            found.append(f"{older[minor]}_{target.arch}")
    return [*found, f"linux_{target.arch}"]


def _markers(target: Target) -> dict[str, str]:
    """What environment markers see on the target (PEP 508). Its patch version and kernel are not known."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{target.python}.0",
        "os_name": "posix",
        "platform_machine": target.arch,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{target.python}.0",
        "python_version": target.python,
        "sys_platform": "linux",
    }


def _check_pip() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True)
    version = parse_pip_version(done.stdout)
    if version is None or version < FIRST_PIP:
        raise InputError(
            "the Python that jobctl runs with has no pip >= 22.2, which fetches the wheels of a bundle",
            where=sys.executable,
            value=done.stdout.strip() or None,
            next_command=f"{sys.executable} -m ensurepip --upgrade",
        )
