"""What somebody gets who installs jobctl without a clone of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("templates", "inventories", "configs")


def tracked(*under: str) -> set[str]:
    """The project's files as git knows them; the new ones that are not ignored too."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *under]
    listing = subprocess.run(git, capture_output=True)
    if listing.returncode != 0:
        pytest.skip("not a git work tree: there is no list of files to compare with")
    names = listing.stdout.decode().split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


def build(target: str, folder: Path) -> Path:
    argv = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_carries_the_package_and_what_a_user_starts_from(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    shipped = {f"jobctl/shipped/{name}" for name in tracked(*SHIPPED)}
    assert names == tracked("jobctl") | shipped
    assert "jobctl/py.typed" in names


def test_the_sdist_carries_the_whole_project(tmp_path: Path) -> None:
    sdist = build("sdist", tmp_path)
    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    assert tracked() <= names


def test_the_installed_wheel_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    target, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True, capture_output=True)

    environment = {**os.environ, "PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [str(target / "bin" / "jobctl"), "--help"]
    answer = subprocess.run(argv, cwd=empty, env=environment, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "submit" in answer.stdout
    assert (target / "jobctl" / "shipped" / "templates").is_dir()
    assert list(empty.iterdir()) == []
