"""The main job with real PaddlePaddle and PaddleSeg, four processes on the CPU, from submit to the pulled prediction.

Packages are installed from the package mirror (1.2 GB). Nothing here has ever run on an NPU.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobctl.demo.dataset import write_dataset
from tests.e2e.lab import Lab
from tests.sshd import running_sshd

REPOSITORY = "JOBCTL_TEST_PADDLESEG"
"""Environment variable: path of a clone of PaddleSeg that has the branch npu_cann8.0."""

PADDLESEG = os.environ.get(REPOSITORY)  # read before the fixture that cleans the environment

CONFIG = Path(__file__).parents[2] / "configs" / "deeplabv3p_cpu_small.yaml"
TRAIN = re.compile(r"\[TRAIN\] epoch: \d+, iter: (\d+)/(\d+), loss: ([\d.]+),")
EVAL = re.compile(r"\[EVAL\] #Images: \d+ mIoU: ([\d.]+) ")

WEIRD_NAME = "with space 'quote' \"double\" $(touch pwned) `tick` back\\slash * new\nline 中文"
"""No commas: Paddle's export splits call stacks at them (3.3.1, jit/dy2static/origin_info.py)."""

pytestmark = [pytest.mark.paddle, pytest.mark.slow, pytest.mark.timeout(1200)]


def check_results(status: dict[str, Any], results: Path, image: Path, iters: int) -> None:
    """What is promised: the tutorial's files, a status that says what PaddleSeg says, nothing that holds secrets."""
    assert status["state"] == "SUCCEEDED", status["reason"]
    assert [stage["name"] for stage in status["stages"]] == ["environment", "data", "train", "export", "infer"]
    check_figures(
        status["progress"], (results / "log" / f"train-{_attempts(status)}" / "workerlog.0").read_text(), iters
    )
    (model,) = results.rglob("best_model/model.pdparams")
    assert model.stat().st_size > 1_000_000
    (deploy,) = results.rglob("deploy.yaml")
    named = yaml.safe_load(deploy.read_text())["Deploy"]
    assert (named["model"], named["params"]) == ("inference.pdmodel", "inference.pdiparams")
    for name in ("inference.pdmodel", "inference.pdiparams", "inference.pdiparams.info"):
        assert (deploy.parent / name).stat().st_size > 0
    (kept,) = results.rglob(f"output/infer_image/{image.name}")
    assert kept.read_bytes() == image.read_bytes(), "a report shows the prediction over its input"
    (prediction,) = set(results.rglob(f"output/**/{image.stem}.png")) - {kept}
    assert png_size(prediction) == png_size(image)
    names = {path.name for path in results.rglob("*")}
    assert {f"workerlog.{rank}" for rank in range(4)} <= names
    assert not [
        name for name in names if name.startswith(("envlog", "backup_env", "secrets")) or name.endswith(".gpu.log")
    ]


def check_figures(progress: dict[str, Any], log: str, iters: int) -> None:
    last = TRAIN.findall(log)[-1]
    evaluations = [float(miou) for miou in EVAL.findall(log)]
    assert (progress["iter"], progress["iters"], progress["loss"]) == (int(last[0]), iters, float(last[2]))
    assert (progress["miou"], progress["best_miou"]) == (evaluations[-1], max(evaluations))


def _attempts(status: dict[str, Any]) -> int:
    return next(int(stage["attempts"]) for stage in status["stages"] if stage["name"] == "train")


def png_size(path: Path) -> bytes:
    """Width and height as the header has them."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return data[16:24]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a name that careless shell lines break on."""
    path = tmp_path / WEIRD_NAME
    path.mkdir()
    return path


def test_the_demo_trains_exports_predicts_and_pulls_over_ssh(folder: Path, own_home: Path) -> None:
    argv = [sys.executable, "-m", "jobctl", "demo", "--dir", str(folder / "demo"), "--iters", "12", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)["data"]
    results = Path(result["results"])
    check_results(json.loads((results / "status.json").read_text()), results, Path(result["input"]), 12)
    assert Path(result["prediction"]).is_file()
    assert result["best_miou"] == max(miou for _, miou in _evaluations(results))
    assert not (own_home / "jobctl").exists(), "all of it stays below its folder"


def _evaluations(results: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (results / "metrics.jsonl").read_text().splitlines()]
    return [(row["iter"], row["miou"]) for row in rows if row["kind"] == "eval"]


@pytest.mark.skipif(PADDLESEG is None, reason=f"set {REPOSITORY} to a clone of PaddleSeg with the branch npu_cann8.0")
def test_paddlesegs_own_branch_runs_through_a_real_sshd(folder: Path) -> None:
    data = folder / "city scapes"
    image = write_dataset(data, polygons=True)
    with running_sshd(folder.parent / "sshd") as sshd:
        inventory = folder / "inventory.yaml"
        inventory.write_text(sshd.inventory("box", work_dir=str(folder / "host" / WEIRD_NAME)))
        lab = Lab(folder, folder / "host" / WEIRD_NAME, inventory)
        sets = {"data.path": str(data), "code.git": str(PADDLESEG), "iters": 20, "save_interval": 10}
        sets["infer_image"] = f"data/cityscapes/{image.relative_to(data)}"
        sets["save_dir"] = f"output/{WEIRD_NAME}"
        args = [word for key, value in sets.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        run_id = lab.run("submit", str(CONFIG), "-i", str(inventory), *args).out.strip()
        argv = lab.argv("logs", "-f", run_id)
        subprocess.run(argv, cwd=lab.laptop, env=lab.environment(), stdout=subprocess.DEVNULL, check=False)
        status = lab.run("status", run_id, "--json").json()["data"]
        lab.run("pull", run_id, "--to", "results")
    check_results(status, folder / "results", image, 20)
