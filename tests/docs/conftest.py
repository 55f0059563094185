from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, make_laptop, python

TRAINING = r"""
print("2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 2, iter: 20/20, loss: 2.4096, lr: 0.005839, "
      "batch_cost: 0.7836, reader_cost: 0.00666, ips: 2.5522 samples/sec | ETA 00:00:00")
print("2026-11-23 00:13:10 [INFO]\t[EVAL] #Images: 4 mIoU: 0.0043 Acc: 0.0556 Kappa: 0.0037 Dice: 0.0083")
print("2026-11-23 00:13:11 [INFO]\t[EVAL] The model with the best validation mIoU (0.0043) was saved at iter 20.")
import os
os.makedirs("output/model")
open("output/model/a.bin", "w").write("x")
"""
"""PaddleSeg's own lines (branch npu_cann8.0), so that there is a progress to show."""


@pytest.fixture
def local_run(tmp_path: Path) -> tuple[Lab, str]:
    """A run on this machine that has ended well, as a PaddleSeg training does."""
    laptop = make_laptop(tmp_path)
    work_dir = tmp_path / "host"
    inventory = {"hosts": {"box": {"transport": "local", "work_dir": str(work_dir)}}}
    (laptop / "inventory.yaml").write_text(json.dumps(inventory))
    lab = Lab(laptop, work_dir, laptop / "inventory.yaml")
    lab.write_config(python(TRAINING), artifacts=[{"name": "model", "path": "output/model/**"}])
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    return lab, run_id
