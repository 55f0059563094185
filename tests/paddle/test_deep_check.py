"""`jobctl doctor --deep` with real PaddlePaddle on the CPU: as it should be, and with cards that Paddle cannot use."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab
from tests.host.smi import FakeSmi

pytestmark = [pytest.mark.paddle, pytest.mark.slow, pytest.mark.timeout(900)]
TEMPLATES = Path(__file__).parents[2] / "templates"
VALUES = {"device": "cpu", "cards": 2, "code": {"path": "code"}, "script": "train.py", "source": []}
INSTALL = [["paddlepaddle==3.3.1"], ["numpy<2.4"]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A host with an npu-smi that shows two cards, and a Paddle that has no plugin for them."""
    folder = tmp_path_factory.mktemp("deep")
    (folder / "code").mkdir()
    (folder / "code" / "train.py").write_text("")
    shutil.copytree(TEMPLATES, folder / "templates")
    smi = FakeSmi(folder / "smi bin")
    smi.show([0, 1])
    inventory = folder / "inventory.yaml"
    places = {"work_dir": str(folder / "host dir"), "lease_dir": str(folder / "leases")}
    inventory.write_text(json.dumps({"hosts": {"box": {"transport": "local", **places}}}))
    return Lab(folder, folder / "host dir", inventory, {"PATH": f"{smi.folder}:{os.environ['PATH']}"})


def deep(lab: Lab, expect: int, **values: Any) -> dict[str, Any]:
    config = {"template": "launch", "name": "tried", "values": {**VALUES, "install": INSTALL, **values}}
    (lab.laptop / "config.yaml").write_text(yaml.safe_dump(config))
    options = ("--config", "config.yaml", "--deep", "--json")
    said = lab.run("doctor", "-i", str(lab.inventory), *options, expect=expect, timeout_s=600)
    assert "box: doctor-tried-" in said.err, "it says what it waits for"
    (host,) = said.json()["data"]["hosts"]
    return {check["name"]: check for check in host["checks"]}


def test_paddle_itself_is_tried_in_the_environment_of_the_config_and_what_worked_is_kept_beside_it(lab: Lab) -> None:
    checks = deep(lab, 0)
    assert checks["environment"]["found"].startswith("Paddle 3.3.1 (")
    assert checks["own_check"]["found"] == "run_check: PaddlePaddle works well on 1 CPU"
    assert checks["one_card"]["found"] == "a product of matrices on Place(cpu) is 1024"
    assert checks["all_cards"]["found"] == "a sum over 2 ranks is 3, on Place(cpu)"
    assert {checks[name]["verdict"] for name in ("plugin", "on_the_card")} == {"skipped"}
    kept = _kept(lab)
    assert (kept["passed"], kept["device"], kept["versions"]["paddlepaddle"]) == (True, "cpu", "3.3.1")


def test_cards_that_paddle_cannot_use_are_told_where_a_training_would_have_run_on_the_cpu(lab: Lab) -> None:
    checks = deep(lab, 3, device="npu")
    assert checks["plugin"]["verdict"] == "failed"
    assert "Paddle sees no custom device" in checks["plugin"]["found"]
    assert checks["own_check"]["verdict"] == "failed"
    assert "PaddlePaddle works well on 1 CPU" in checks["own_check"]["found"]
    assert checks["one_card"]["verdict"] == "failed"
    assert checks["all_cards"]["verdict"] in ("failed", "unknown")
    assert checks["on_the_card"]["verdict"] == "unknown"
    assert _kept(lab)["passed"] is False


def _kept(lab: Lab) -> dict[str, Any]:
    (record,) = lab.work_dir.glob("environments/*/deep_check.json")
    found: dict[str, Any] = json.loads(record.read_text())
    assert {"at", "run_id", "fingerprint", "checks"} <= found.keys()
    return found
