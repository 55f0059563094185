"""The hash-locked requirements say the same as pyproject.toml, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {
    "requirements.lock": ("demo",),
    "requirements-dev.lock": ("demo", "pandas", "png", "tensorboard", "test", "check"),
}
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PLATFORMS = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    project = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return [Requirement(line) for line in lines]


def locked(name: str) -> list[tuple[Requirement, str]]:
    """(pin, its hashes as text), one for each pin of a lock."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    pairs = (line.split("--hash", 1) for line in text.splitlines())
    return [(Requirement(pin), hashes) for pin, hashes in pairs]


def environment(python: str, platform: tuple[str, str, str]) -> dict[str, str]:
    sys_platform, system, machine = platform
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": sys_platform,
        "platform_system": system,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }


def holds(marker: Marker | None, values: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(values)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: f"{platform[0]}-{platform[2]}")
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_one_pin_in_its_range(lock: str, python: str, platform: tuple[str, str, str]) -> None:
    values = environment(python, platform)
    pins: dict[str, str] = {}
    for pin, _ in locked(lock):
        if holds(pin.marker, values):
            assert pin.name not in pins, f"{pin.name} is pinned twice"
            pins[canonicalize_name(pin.name)] = str(pin.specifier).removeprefix("==")
    for requirement in wanted(LOCKS[lock]):
        if holds(requirement.marker, values):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement.name


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_carries_hashes(lock: str) -> None:
    for pin, hashes in locked(lock):
        assert re.search(r"=sha256:[0-9a-f]{64}", hashes), pin.name


@pytest.mark.parametrize("python", PYTHONS)
def test_the_two_locks_agree(python: str) -> None:
    values = environment(python, PLATFORMS[0])
    run, dev = (
        {(pin.name, str(pin.specifier)) for pin, _ in locked(lock) if holds(pin.marker, values)} for lock in LOCKS
    )
    assert run <= dev
