"""CANN's own log: an attempt on cards gets a folder for it, which stays where the attempt failed.

What writes it here is a line of Python in the place of CANN: no NPU was at hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.host import diagnosis, plog, results
from tests.host.runs import make_job, python_stage, run_job
from tests.host.smi import FakeSmi

Show = Callable[..., None]

LIKE_CANN = """
import os, sys
folder = os.path.join(os.environ["ASCEND_PROCESS_LOG_PATH"], "debug", "plog")
os.makedirs(folder)
with open(os.path.join(folder, "plog-%d_20260112.log" % os.getpid()), "w") as log:
    log.write("[ERROR] HCCL(1,python):2026-01-12-10:00:00.000.000 ra hdc message process failed ret(-67)\\n")
sys.exit({code})
"""


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    smi = FakeSmi(tmp_path / "smi bin")
    monkeypatch.setenv("PATH", f"{smi.folder}:{os.environ['PATH']}")
    return smi.show


def run(root: Path, code: int, **fields: object) -> Path:
    script = LIKE_CANN.replace("{code}", str(code))
    status = run_job(root, make_job("plog-1", [python_stage("train", script)], device="npu", cards=1, **fields))
    assert status["state"] == ("FAILED" if code else "SUCCEEDED"), status
    return root / "runs" / "plog-1"


def test_where_an_attempt_failed_its_plog_is_kept_and_belongs_to_the_diagnosis(weird_path: Path, show: Show) -> None:
    show([0])
    run_dir = run(weird_path, 3)
    folder = plog.folder(run_dir, "train", 1)
    assert folder.stat().st_mode & 0o777 == 0o700
    status = {"stage": "train", "verdict": None, "stages": [{"name": "train", "attempts": 1}]}
    found = {piece.file: piece.data for piece in diagnosis.pieces(run_dir, status)}
    (name,) = [name for name in found if "/plog/" in name]
    assert b"ret(-67)" in found[name]
    assert not any("plog" in path for path, _ in results.find(run_dir))  # it is not pulled: it may quote anything


def test_where_an_attempt_succeeded_no_plog_stays(weird_path: Path, show: Show) -> None:
    show([0])
    assert not plog.folder(run(weird_path, 0), "train", 1).exists()


def test_what_the_job_says_of_the_path_wins(weird_path: Path, show: Show) -> None:
    show([0])
    mine = weird_path / "my logs"
    run_dir = run(weird_path, 3, env={"ASCEND_PROCESS_LOG_PATH": str(mine)})
    assert (mine / "debug" / "plog").is_dir()
    assert plog.files(plog.folder(run_dir, "train", 1)) == []


def test_a_plog_that_has_grown_too_large_keeps_its_first_lines(tmp_path: Path) -> None:
    folder = tmp_path / "log" / "train-1.plog" / "debug" / "plog"
    folder.mkdir(parents=True)
    for number in range(12):
        with (folder / f"plog-{number:02}.log").open("wb") as log:
            log.write(b"first line\n")
            log.truncate(plog.LARGEST_BYTES + 1)
    plog.settle(tmp_path, "train", 1, failed=True)
    sizes = [path.stat().st_size for path in sorted(folder.iterdir())]
    assert sum(sizes) == plog.MOST_BYTES
    assert (folder / "plog-00.log").read_bytes()[:11] == b"first line\n"


def test_links_in_a_plog_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "log" / "train-1.plog"
    folder.mkdir(parents=True)
    secret = tmp_path / "secret.log"
    secret.write_text("precious")
    (folder / "a.log").symlink_to(secret)
    status = {"stage": "train", "stages": [{"name": "train", "attempts": 1}]}
    assert [piece.file for piece in diagnosis.pieces(tmp_path, status)] == []
    plog.settle(tmp_path, "train", 1, failed=False)
    assert secret.read_text() == "precious"
