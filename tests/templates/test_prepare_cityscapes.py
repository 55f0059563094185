"""data/cityscapes is made from the dataset as it was given; what was given is never written to."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from jobctl.demo.dataset import DatasetSize, write_dataset
from tests.templates.helpers import run_helper

SIZE = DatasetSize(train=3, val=1, width=32, height=16)
converter = pytest.mark.skipif(importlib.util.find_spec("cityscapesscripts") is None, reason="needs cityscapesScripts")


def prepare(given: Path, run_dir: Path, *args: str) -> tuple[int, str, Path]:
    target = run_dir / "cityscapes"
    code, told = run_helper("deeplabv3p/prepare_cityscapes.py", str(given), str(target), *args, cwd=run_dir)
    return code, told, target


def snapshot(root: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in root.rglob("*"))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.mark.parametrize("args", [(), ("--convert",)])
def test_a_dataset_with_labels_is_only_linked(weird_path: Path, run_dir: Path, args: tuple[str, ...]) -> None:
    write_dataset(weird_path, SIZE)
    before = snapshot(weird_path)
    code, told, target = prepare(weird_path, run_dir, *args)
    assert (code, target.is_symlink(), target.resolve()) == (0, True, weird_path.resolve())
    assert "labels as they were given" in told
    assert snapshot(weird_path) == before


def test_a_second_attempt_finds_what_the_first_one_made(weird_path: Path, run_dir: Path) -> None:
    write_dataset(weird_path, SIZE)
    (run_dir / "cityscapes.building").mkdir()  # an attempt that was killed
    (run_dir / "cityscapes.building/half").touch()
    for _ in range(2):
        code, _, target = prepare(weird_path, run_dir)
        assert (code, target.resolve()) == (0, weird_path.resolve())
    assert [path.name for path in run_dir.iterdir()] == ["cityscapes"]


def test_without_permission_to_convert_polygons_are_left_for_the_check_to_name(tmp_path: Path, run_dir: Path) -> None:
    write_dataset(tmp_path / "given", SIZE, polygons=True)
    code, _, target = prepare(tmp_path / "given", run_dir)
    assert (code, target.is_symlink()) == (0, True)


@pytest.mark.skipif(importlib.util.find_spec("cityscapesscripts") is not None, reason="cityscapesScripts is here")
def test_an_environment_without_the_converter_is_named(tmp_path: Path, run_dir: Path) -> None:
    write_dataset(tmp_path / "given", SIZE, polygons=True)
    before = snapshot(tmp_path / "given")
    code, told, target = prepare(tmp_path / "given", run_dir, "--convert")
    assert code == 1
    assert "cityscapesScripts" in told and "Traceback" not in told
    assert not target.exists()
    assert snapshot(tmp_path / "given") == before


@converter
def test_polygons_become_labels_in_the_run_and_not_in_the_dataset(weird_path: Path, run_dir: Path) -> None:
    write_dataset(weird_path, SIZE, polygons=True)
    before = snapshot(weird_path)
    code, told, target = prepare(weird_path, run_dir, "--convert")
    assert code == 0, told
    assert "4 labels converted" in told
    assert snapshot(weird_path) == before
    assert run_helper("deeplabv3p/check_cityscapes.py", str(target), cwd=run_dir)[0] == 0


def test_a_dataset_that_is_not_there_is_a_message(tmp_path: Path, run_dir: Path) -> None:
    code, told, target = prepare(tmp_path / "nowhere", run_dir)
    assert code == 1
    assert "there is no dataset at" in told and "Traceback" not in told
    assert not target.exists()
