"""`make` and what stands behind it, on machines that lack something."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDS = ROOT / ".ci" / "needs"


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """A PATH with a shell and its small programs, and neither apt nor anything that tests start."""
    for program in ("bash", "env", "dirname", "id", "uname"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    return {"PATH": str(tmp_path)}


def test_make_alone_lists_what_it_can_do() -> None:
    listing = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "check", "bench", "clean"):
        assert f"make {target} " in listing


def test_without_apt_the_missing_programs_are_named(bare_machine: dict[str, str]) -> None:
    said = subprocess.run([str(NEEDS), "test"], env=bare_machine, capture_output=True, text=True)
    assert said.returncode == 1
    assert "make test needs, and this machine lacks:" in said.stderr
    for package in ("git", "openssh-client", "rsync"):
        assert package in said.stderr


def test_with_everything_there_nothing_is_said() -> None:
    said = subprocess.run([str(NEEDS), "test"], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_a_python_that_is_too_old_is_answered(bare_machine: dict[str, str], tmp_path: Path) -> None:
    said = subprocess.run(
        [str(ROOT / ".ci" / "venv"), str(tmp_path / "venv")], env=bare_machine, capture_output=True, text=True
    )
    assert said.returncode == 1
    assert "needs Python 3.10 or newer" in said.stderr
    assert "next:" in said.stderr
    assert not (tmp_path / "venv").exists()
