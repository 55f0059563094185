"""The lock as data: which resolution is used, how it is added to, and that it reads back."""

from __future__ import annotations

import pytest

from jobctl.errors import InputError
from jobctl.spec.lock import Lock, Package, Target, Worked, dump_lock, load_lock

HOST = Target(arch="aarch64", python="3.9", glibc="2.31")


def packages(version: str) -> tuple[Package, ...]:
    return (Package(name="paddlepaddle", version=version, list=0, sha256="0" * 64),)


def make_lock(*versions: str, target: Target = HOST, asks: str = "a" * 16, lock: Lock | None = None) -> Lock:
    lock = lock or Lock()
    for version in versions:
        at, by = "2026-11-23T02:12:09Z", "submit to box"
        lock, _ = lock.add(at=at, by=by, target=target, asks=asks, packages=packages(version))
    return lock


def used(lock: Lock, host: Target = HOST, asks: str = "a" * 16) -> str | None:
    found = lock.find(asks, host)
    return found.versions["paddlepaddle"] if found else None


def test_the_last_that_was_made_is_used_until_another_one_is_chosen() -> None:
    lock = make_lock("1", "2", "3")
    assert used(lock) == "3"
    assert used(lock.use(1)) == "1"
    assert used(make_lock("2", lock=lock.use(1))) == "2", "what is there already is no new resolution"
    assert [each.number for each in make_lock("2", lock=lock).resolutions] == [1, 2, 3]


MACHINES: dict[str, tuple[Target, str | None]] = {
    "the same": (HOST, "1"),
    "a newer C library": (Target(arch="aarch64", python="3.9", glibc="2.34"), "1"),
    "an older C library": (Target(arch="aarch64", python="3.9", glibc="2.28"), None),
    "a C library that is not known": (Target(arch="aarch64", python="3.9"), "1"),
    "another Python": (Target(arch="aarch64", python="3.10", glibc="2.31"), None),
    "another architecture": (Target(arch="x86_64", python="3.9", glibc="2.31"), None),
}


@pytest.mark.parametrize("name", MACHINES)
def test_a_resolution_is_for_a_kind_of_machine(name: str) -> None:
    host, wanted = MACHINES[name]
    assert used(make_lock("1"), host) == wanted


def test_each_kind_of_machine_and_each_question_has_its_own() -> None:
    other = Target(arch="x86_64", python="3.11", glibc="2.36")
    lock = make_lock("2", lock=make_lock("9", target=other, lock=make_lock("1")), asks="b" * 16)
    assert (used(lock), used(lock, other), used(lock, asks="b" * 16)) == ("1", "9", "2")
    assert [each.current for each in lock.resolutions] == [True, True, True]


def test_what_has_worked_is_kept_and_the_first_of_each_kind_stays() -> None:
    lock = make_lock("1", "2").note({1: {"environment": "2026-11-23T03:00:00Z"}})
    lock = lock.note({1: {"environment": "2026-12-01T00:00:00Z", "training": "run-1"}})
    assert lock.resolutions[0].worked == Worked(environment="2026-11-23T03:00:00Z", training="run-1")
    assert lock.resolutions[1].worked == Worked()


def test_a_lock_reads_back_as_it_was_and_each_package_is_a_line() -> None:
    lock = make_lock("3.0.0.dev20250102", "3.0.0.dev20250103").note({1: {"deep_check": "2026-11-23T03:00:00Z"}})
    text = dump_lock(lock)
    assert load_lock(text, "x.lock") == lock
    assert sum("name: paddlepaddle, version: 3.0.0.dev2025010" in line for line in text.splitlines()) == 2


def test_numbers_are_given_once() -> None:
    text = dump_lock(make_lock("1", "2")).replace("number: 2", "number: 1")
    with pytest.raises(InputError, match="the same number"):
        load_lock(text, "x.lock")
    with pytest.raises(InputError, match="no resolution of this number"):
        make_lock("1").use(7)


SIDES = "version: 1\nresolutions:\n<<<<<<< HEAD\n  - number: 2\n=======\n  - number: 2\n>>>>>>> theirs\n"
EDITED: dict[str, tuple[str | tuple[str, str], str]] = {
    "both sides of a merge": (SIDES, "git left both sides of a merge"),
    "a name that pip would take for an option": (("name: paddlepaddle", 'name: "-r /etc/passwd"'), "is not a name"),
    "a version that begins a line of its own": (("version: 1.0", 'version: "1\\n--pre"'), "is not an exact version"),
    "a version that is none": (("version: 1.0", "version: '>=1'"), "is not an exact version"),
    "nothing": ("", "nothing is written in it"),
}


@pytest.mark.parametrize("name", EDITED)
def test_what_an_editor_or_git_made_of_a_lock_is_told(name: str) -> None:
    change, said = EDITED[name]
    whole = dump_lock(make_lock("1.0.post1")).replace("1.0.post1", "1.0")
    text = change if isinstance(change, str) else whole.replace(*change)
    assert text != whole
    with pytest.raises(InputError, match=said) as caught:
        load_lock(text, "x.lock")
    assert "x.lock" in caught.value.where


def test_a_lock_may_grow_for_years() -> None:
    each = tuple(Package(name=f"p{number}", version="1", list=0) for number in range(400))
    lock = Lock()
    for day in range(40):
        lock, _ = lock.add(at=str(day), by="x", target=HOST, asks=f"{day:016}", packages=each)
    assert load_lock(dump_lock(lock), "x.lock") == lock
