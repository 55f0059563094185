"""The small helpers: deploy.yaml for the exported model, and a config derived from another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobctl.demo.dataset import DatasetSize, write_dataset
from tests.templates.helpers import run_helper

EXPORTED = ("inference.pdmodel", "inference.pdiparams", "inference.pdiparams.info", "inference.yml")


def write_deploy(folder: Path) -> tuple[int, str]:
    return run_helper("deeplabv3p/write_deploy.py", str(folder), cwd=folder.parent)


def test_deploy_yaml_names_the_files_that_the_export_left(weird_path: Path) -> None:
    for name in EXPORTED:
        (weird_path / name).write_text(f"Deploy: {{model: inference.pdmodel}} # {name}")
    code, told = write_deploy(weird_path)
    assert code == 0, told
    assert (weird_path / "deploy.yaml").read_text() == (weird_path / "inference.yml").read_text()


@pytest.mark.parametrize("missing", EXPORTED)
def test_a_file_that_the_export_did_not_leave_is_named(weird_path: Path, missing: str) -> None:
    for name in EXPORTED:
        if name != missing:
            (weird_path / name).touch()
    code, told = write_deploy(weird_path)
    assert code == 1
    assert f"the export left no {missing}" in told
    assert not (weird_path / "deploy.yaml").exists()


def test_the_new_format_of_paddle_3_is_recognised(tmp_path: Path) -> None:
    for name in ("inference.json", "inference.pdiparams", "inference.yml"):
        (tmp_path / name).touch()
    code, told = write_deploy(tmp_path)
    assert code == 1
    assert "FLAGS_enable_pir_api=0" in told


OVERRIDES: list[dict[str, Any]] = [
    {"lr_scheduler": {"learning_rate": 4e-05, "power": 1.0}},
    {"model": {"backbone": {"_inherited_": False, "type": "MobileNetV2_x0_25", "pretrained": None}}},
    {"train_dataset": {"transforms": [{"type": "RandomPaddingCrop", "crop_size": [128, 64]}]}, "iters": 1 << 40},
    {"a: b": "'quoted', \"twice\", # no comment, %, &, *, new\nline, 中文, yes, 1e3"},
]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=lambda each: next(iter(each)))
def test_a_derived_config_names_its_base_and_says_exactly_what_was_asked_for(
    weird_path: Path, overrides: dict[str, Any]
) -> None:
    base = weird_path / "base.yml"
    base.touch()
    args = ("base.yml", "../x.yml", json.dumps(overrides))
    code, told = run_helper("deeplabv3p/derive_config.py", *args, cwd=weird_path)
    assert code == 0, told
    derived = yaml.safe_load((weird_path.parent / "x.yml").read_text())
    assert derived == {"_base_": str(base), **overrides}


def test_a_base_that_is_not_in_the_code_tree_is_a_message(tmp_path: Path) -> None:
    code, told = run_helper("deeplabv3p/derive_config.py", "configs/no.yml", "../x.yml", "{}", cwd=tmp_path)
    assert (code, told.strip()) == (1, "the config configs/no.yml is not in the code tree")


def test_the_batch_size_of_a_base_is_found_behind_any_path(weird_path: Path) -> None:
    (weird_path / "base.yml").write_text("batch_size: 7\n")
    run_helper("deeplabv3p/derive_config.py", "base.yml", "../x.yml", '{"iters": 3}', cwd=weird_path)
    write_dataset(weird_path / "cityscapes", DatasetSize(train=7, val=1, width=16, height=8))
    code, told = run_helper("deeplabv3p/check_cityscapes.py", "cityscapes", "--config", "../x.yml", cwd=weird_path)
    assert code == 0, told
    assert "1 x 7 images are an epoch" in told
