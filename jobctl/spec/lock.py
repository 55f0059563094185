"""The lock of a config: which packages its environments are made of, exactly, and what has worked. Pure.

A file for people and for git: nothing in it belongs to one laptop. Every resolution that was ever used stays in it, so
that one can go back.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from jobctl.errors import InputError
from jobctl.spec.fields import Filled, PackageName, PackageVersion, Part
from jobctl.spec.validate import validate
from jobctl.spec.yaml_source import load_yaml
from jobctl.spec.yaml_write import dump

Count = Annotated[int, Strict(), Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_CONFLICT = re.compile("^<<<<<<< ", re.MULTILINE)
_MAIN = ("paddlepaddle", "paddlepaddle-gpu", "paddle-custom-npu", "paddleseg", "numpy")

_HEAD = """\
# Written by `jobctl submit` and `jobctl bundle`: which packages pip installs for this config, exactly. Commit it.
# `jobctl lock CONFIG` shows it, `--use N` goes back to another resolution, `jobctl submit --upgrade` makes a new one.
"""


class Package(Part):
    """One package. `list`: which of the job's `install` lists brings it, from 0."""

    name: PackageName
    version: PackageVersion
    list: Count
    sha256: Sha256 | None = None


class Target(Part):
    """The machine that the wheels are for. `glibc`: the oldest C library; null: not known."""

    arch: Filled
    python: Filled
    glibc: Filled | None = None

    def fits(self, host: Target) -> bool:
        """Whether what was resolved for this target can be installed on `host`."""
        same = (self.arch, self.python) == (host.arch, host.python)
        return same and (self.glibc is None or host.glibc is None or _version(self.glibc) <= _version(host.glibc))

    def __str__(self) -> str:
        return f"{self.arch}, Python {self.python}" + (f", glibc {self.glibc}" if self.glibc else "")


class Worked(Part):
    """What is known to have worked with it: when, and of a training which run."""

    environment: Filled | None = Field(None, description="When an environment of it was built and passed its check.")
    deep_check: Filled | None = Field(None, description="When the framework's own check passed in it.")
    training: Filled | None = Field(None, description="The first run with it that succeeded.")


class Resolution(Part):
    """What pip decided once. `asks` names what it was asked for: other `install` lists need another resolution."""

    number: Annotated[int, Strict(), Field(ge=1)]
    at: Filled
    by: Filled
    target: Target
    asks: Filled
    current: Annotated[bool, Strict()] = False
    worked: Worked = Worked()
    packages: tuple[Package, ...]

    @property
    def versions(self) -> dict[str, str]:
        return {package.name: package.version for package in self.packages}

    @property
    def main(self) -> dict[str, str]:
        """The versions of those that matter most."""
        return {name: self.versions[name] for name in _MAIN if name in self.versions}


class Lock(Part):
    """The whole file."""

    version: Literal[1] = 1
    resolutions: tuple[Resolution, ...] = ()

    def find(self, asks: str | None, host: Target) -> Resolution | None:
        """The one to use for what is asked of a host: a current one that fits, else the newest that does."""
        fitting = [each for each in self.resolutions if each.asks == asks and each.target.fits(host)]
        return max(fitting, key=lambda each: (each.current, each.number), default=None)

    def add(
        self, *, at: str, by: str, target: Target, asks: str, packages: tuple[Package, ...]
    ) -> tuple[Lock, Resolution]:
        """A lock with one resolution more, which is the current one. The same packages for the same target are the same
        resolution: it becomes current again."""
        for each in self.resolutions:
            if (each.asks, each.target, each.packages) == (asks, target, packages):
                return self.use(each.number), each
        number = max((each.number for each in self.resolutions), default=0) + 1
        new = Resolution(number=number, at=at, by=by, target=target, asks=asks, packages=packages)
        return Lock(resolutions=(*self.resolutions, new)).use(number), new

    def use(self, number: int) -> Lock:
        """A lock in which this one is current, for what it was asked for and its kind of machine. Raises InputError."""
        chosen = next((each for each in self.resolutions if each.number == number), None)
        if chosen is None:
            there = ", ".join(str(each.number) for each in self.resolutions) or "none"
            raise InputError("the lock has no resolution of this number", value=number, hint=f"there: {there}")

        def changed(each: Resolution) -> Resolution:
            rivals = (each.asks, each.target.arch, each.target.python) == (
                chosen.asks,
                chosen.target.arch,
                chosen.target.python,
            )
            return each.model_copy(update={"current": each.number == number}) if rivals else each

        return Lock(resolutions=tuple(map(changed, self.resolutions)))

    def note(self, worked: Mapping[int, Mapping[str, str]]) -> Lock:
        """A lock with what has worked, by number. The first of each kind stays."""

        def changed(each: Resolution) -> Resolution:
            known = each.worked.model_dump(exclude_none=True)
            return each.model_copy(update={"worked": Worked(**{**worked.get(each.number, {}), **known})})

        return Lock(resolutions=tuple(map(changed, self.resolutions)))


def load_lock(text: str, source: str) -> Lock:
    """Parse and validate. Raises ConfigError."""
    if _CONFLICT.search(text):
        raise InputError(
            "git left both sides of a merge in the lock",
            where=source,
            hint="keep one side whole: the other's resolutions are made anew when they are needed",
            next_command=f"git checkout --theirs -- {shlex.quote(source)}",
        )
    document = load_yaml(text, source)
    lock = validate(Lock, document)
    numbers = [each.number for each in lock.resolutions]
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        hint = "two branches were merged? Give one of them the next number that is free"
        raise InputError("two resolutions of the lock have the same number", where=source, value=twice, hint=hint)
    return lock


def dump_lock(lock: Lock) -> str:
    """The file's text. Reads back as the same lock."""
    data: dict[str, Any] = {
        "version": lock.version,
        "resolutions": [each.model_dump(mode="json", exclude_defaults=True) for each in lock.resolutions],
    }
    return _HEAD + dump(data, width=250)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
