"""Single files of a run for a report: from any byte on, and nothing that a laptop may not have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.host import reading
from jobctl.host.server import OpError
from tests.host.runs import make_job, python_stage
from tests.host.test_rotate import ask


@pytest.fixture
def run_dir(weird_path: Path) -> Path:
    job = make_job("r", [python_stage("s", "")], artifacts=[{"name": "all", "path": "output/**"}])
    (weird_path / "job.json").write_text(json.dumps(job))
    (weird_path / "secrets.json").write_text("{}")
    (weird_path / "metrics.jsonl").write_bytes(bytes(range(256)) * 2000)
    for name in ("a.png", "b.JPG", "c.txt"):
        (weird_path / "output").mkdir(exist_ok=True)
        (weird_path / "output" / name).write_bytes(b"picture")
    (weird_path / "output" / "link.png").symlink_to("/etc/hostname")
    return weird_path


@pytest.mark.parametrize(
    ("offset", "most"), [(0, 1 << 62), (5, 10), (511_999, 10), (512_000, 10), (600_000, 1), (0, 0)]
)
def test_bytes_come_from_any_place_on(run_dir: Path, offset: int, most: int) -> None:
    whole = (run_dir / "metrics.jsonl").read_bytes()
    last, data = ask(reading.read, run_dir, path="metrics.jsonl", offset=offset, most=most)
    assert (last, data) == ({}, whole[offset : offset + most])


def test_a_file_that_is_not_there_yet_is_empty(run_dir: Path) -> None:
    assert ask(reading.read, run_dir, path="environment.json", offset=0, most=9) == ({}, b"")


@pytest.mark.parametrize(
    "path", ["secrets.json", "../x", "/etc/hostname", "output/link.png", "output/../secrets.json", ""]
)
def test_what_may_not_leave_the_host_is_refused(run_dir: Path, path: str) -> None:
    with pytest.raises(OpError, match="not a file of this run"):
        ask(reading.read, run_dir, path=path, offset=0, most=9)


def test_pictures_are_listed_without_what_leads_outside(run_dir: Path) -> None:
    assert ask(reading.pictures, run_dir)[0]["rows"] == [["output/a.png", 7, "all"], ["output/b.JPG", 7, "all"]]
