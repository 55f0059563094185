"""Logs that are rotated: whoever reads them gets the bytes that were written, at the offsets they were written at."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import results
from jobctl.host.catch_up import missed_records
from jobctl.host.follow import Follower
from jobctl.host.log_starts import start_of_tail
from jobctl.host.logs import LogReader
from jobctl.host.rotate import RotatedLog, Rotation, segments
from jobctl.host.server import Request
from tests.host.runs import make_job, python_stage, run_job

SEGMENT = 64 << 10
LIVE = 2 * SEGMENT


def can_punch(folder: Path) -> bool:
    log = folder / "tried.log"
    log.write_bytes(b"x" * (LIVE + SEGMENT + 1))
    return Rotation(LIVE, SEGMENT).tend(log)


@pytest.fixture
def run_dir(weird_path: Path) -> Path:
    if not can_punch(weird_path):
        pytest.skip("the file system of the tests cannot punch holes: logs stay whole there")
    folder = weird_path / "runs" / "rotated"
    (folder / "logs").mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps(make_job("rotated", [python_stage("s", "")])))
    return folder


def lines(count: int) -> bytes:
    return b"".join(b"line %07d %s\n" % (number, b"x" * (number % 90)) for number in range(count))


def rotate(log: Path) -> int:
    rotation, times = Rotation(LIVE, SEGMENT), 0
    while rotation.tend(log):
        times += 1
    return times


class Answers:
    """The server's side of a request: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, Any], bytes]] = []

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self.told.append((header, payload))


def ask(op: Any, run_dir: Path, **params: Any) -> tuple[dict[str, Any], bytes]:
    """The last reply of a request, and all the bytes that it sent."""
    answers = Answers()
    last = op(Request(answers, {"id": 1, **params}, b""), run_dir)  # type: ignore[arg-type]
    return last or {}, b"".join(payload for _, payload in answers.told)


def test_a_log_that_was_rotated_keeps_its_size_and_gives_the_disk_its_blocks_back(run_dir: Path) -> None:
    log = run_dir / "logs" / "s.log"
    text = lines(10_000)
    log.write_bytes(text)
    os.sync()
    before = log.stat()
    assert rotate(log) == (len(text) - LIVE - 1) // SEGMENT + 1
    after = log.stat()
    assert after.st_size == before.st_size
    assert after.st_blocks < before.st_blocks
    assert sum(one.path.stat().st_size for one in segments(log)) < segments(log)[-1].end // 3


def test_every_offset_reads_as_before(run_dir: Path) -> None:
    log = run_dir / "logs" / "s.log"
    text = lines(10_000)
    log.write_bytes(text)
    rotate(log)
    reader = RotatedLog(log)
    offsets = random.Random(1).sample(range(len(text)), 60)
    for offset in [0, SEGMENT - 1, SEGMENT, segments(log)[-1].end, len(text) - 1, len(text), *offsets]:
        assert reader.read_whole(offset, 1000) == text[offset : offset + 1000], offset
        assert (reader.read(offset, 1000) == b"") == (offset == len(text))


def test_a_process_that_goes_on_writing_loses_no_byte_and_a_follower_gets_each_once(run_dir: Path) -> None:
    log = run_dir / "logs" / "s.log"
    script = "import sys\nfor n in range(40000): sys.stdout.write('line %07d of a long training\\n' % n)"
    follower = Follower(log)
    seen: list[str] = []
    with open(log, "ab") as handle:
        writer = subprocess.Popen([sys.executable, "-c", script], stdout=handle)
    rotation = Rotation(LIVE, SEGMENT)
    while writer.poll() is None:
        rotation.tend(log)
        seen += follower.lines()
    rotate(log)
    seen += follower.rest()
    assert seen == [f"line {number:07} of a long training" for number in range(40000)]
    assert segments(log)


@pytest.mark.parametrize("tail", [0, 1, 3000, 9999, 10_000, 20_000])
def test_a_tail_reaches_into_what_was_archived(run_dir: Path, tail: int) -> None:
    log = run_dir / "logs" / "s.log"
    text = lines(10_000)
    log.write_bytes(text)
    rotate(log)
    reader = LogReader(run_dir, None, None)
    _, offset = start_of_tail([log], tail)
    got = b""
    while piece := reader.read("logs/s.log", offset + len(got)):
        got += piece
    assert got == b"".join(text.splitlines(keepends=True)[10_000 - min(tail, 10_000) :])


@pytest.mark.parametrize("path", ["logs/s.log", "log/s-1/workerlog.1"])
def test_a_pull_brings_the_bytes_that_were_written(run_dir: Path, path: str) -> None:
    log = run_dir / path
    log.parent.mkdir(parents=True, exist_ok=True)
    text = lines(10_000)
    log.write_bytes(text)
    assert rotate(log)
    rows, _ = ask(results.listing, run_dir)
    there = {row[0]: row[1:] for row in rows["rows"]}
    assert there[path] == ["f", len(text), hashlib.sha256(text).hexdigest(), "logs"]
    assert not [name for name in there if name.endswith(".gz")]
    for offset in (0, SEGMENT + 5, len(text) - 3):
        assert ask(results.fetch, run_dir, files=[[path, offset, len(text), len(text)]])[1] == text[offset:]


def test_a_rotation_that_was_killed_before_it_gave_blocks_back_is_made_good(run_dir: Path) -> None:
    log = run_dir / "logs" / "s.log"
    text = lines(10_000)
    log.write_bytes(text)
    rotate(log)
    log.write_bytes(text)  # as if nothing had been punched
    os.sync()
    full = log.stat().st_blocks
    (segments(log)[-1].path).unlink()
    assert rotate(log) == 1
    assert log.stat().st_blocks < full
    assert RotatedLog(log).read_whole(0, len(text)) == text


def test_a_small_log_is_left_alone(run_dir: Path) -> None:
    log = run_dir / "logs" / "s.log"
    log.write_bytes(b"x" * LIVE)
    assert rotate(log) == 0
    assert rotate(run_dir / "logs" / "not there.log") == 0
    assert not list(log.parent.glob("*.d"))


def test_a_disk_too_full_for_the_archive_leaves_the_log_as_it_was(run_dir: Path) -> None:
    log = run_dir / "logs" / "s.log"
    text = lines(10_000)
    log.write_bytes(text)
    log.with_name("s.log.d").write_text("in the way, as a full disk would be")
    with pytest.raises(OSError):
        Rotation(LIVE, SEGMENT).tend(log)
    assert log.read_bytes() == text
    assert RotatedLog(log).read_whole(0, len(text)) == text


TRAIN = (
    "2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 1, iter: {}/9000, loss: 2.4, lr: 0.005839, batch_cost: 0.7836, "
    "reader_cost: 0.00666, ips: 2.5522 samples/sec | ETA 00:00:07\n"
)


def test_what_a_killed_supervisor_had_not_read_is_found_in_a_rotated_log(run_dir: Path) -> None:
    log = run_dir / "log" / "s-1" / "workerlog.0"
    log.parent.mkdir(parents=True)
    log.write_text("".join(TRAIN.format(number) for number in range(1, 3001)))
    assert rotate(log)
    assert [record["iter"] for record in missed_records(run_dir, "s", 1)] == list(range(1, 3001))


GROW = """
import os, time
for number in range(90):
    os.write(1, b"%1048575d\\n" % number)
folder = "../logs/s.log.d"
while not (os.path.isdir(folder) and [name for name in os.listdir(folder) if name[0] != "."]):
    time.sleep(0.05)
print("rotated")
"""


def test_a_run_whose_log_grows_is_rotated_while_it_runs(weird_path: Path) -> None:
    if not can_punch(weird_path):
        pytest.skip("the file system of the tests cannot punch holes: logs stay whole there")
    assert run_job(weird_path, make_job("grows", [python_stage("s", GROW)]))["state"] == "SUCCEEDED"
    run_dir = weird_path / "runs" / "grows"
    size = (run_dir / "logs" / "s.log").stat().st_size
    text = ask(results.fetch, run_dir, files=[["logs/s.log", 0, size, size]])[1]
    assert text.endswith(b"rotated\n")
    numbers = [int(line) for line in text.splitlines()[-91:-1]]
    assert numbers == list(range(90))
