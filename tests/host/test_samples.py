"""What the host and the run's cards do, noted while a stage runs; metrics of other trainers by their own patterns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.host import npu_smi
from jobctl.host.journal import Journal
from jobctl.host.own_metrics import PatternParser
from jobctl.host.sampler import gap_s
from jobctl.host.samples import CpuTimes, make_cards_record, make_host_record, parse_cpu_times, parse_memory
from tests.host.runs import make_job, python_stage, read_lines, run_job

STAT = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n"
MEMINFO = "MemTotal:       24654924 kB\nMemFree:        1000 kB\nMemAvailable:   20557324 kB\n"
DATA = Path(__file__).parent / "data" / "npu_smi"


def test_the_share_of_the_processors_is_that_between_two_looks() -> None:
    assert parse_cpu_times(STAT) == CpuTimes(150, 1000)
    record = make_host_record(CpuTimes(100, 900), CpuTimes(150, 1000), MEMINFO, {"disk_free_mib": 1})
    assert record["cpu_percent"] == 50.0
    assert (record["memory_used_mib"], record["memory_total_mib"], record["disk_free_mib"]) == (4001, 24077, 1)


@pytest.mark.parametrize("text", ["", "cpu", "cpu a b c d", "intr 1 2 3 4 5"])
def test_what_is_not_known_of_the_host_is_none(text: str) -> None:
    assert parse_cpu_times(text) is None
    assert parse_memory(text) == (None, None)
    record = make_host_record(None, parse_cpu_times(text), text, {})
    assert record == {"kind": "host", "cpu_percent": None, "memory_used_mib": None, "memory_total_mib": None}


def test_the_cards_of_the_run_are_noted_and_no_others() -> None:
    snapshot = npu_smi.parse((DATA / "eight_busy.txt").read_text())
    assert snapshot.cards
    there = [card.npu for card in snapshot.cards]
    rows = make_cards_record(snapshot, there[2:4])["cards"]
    assert [row["card"] for row in rows] == there[2:4]
    shown = snapshot.cards[2]
    assert rows[0]["load_percent"] == shown.load_percent and rows[0]["power_w"] == shown.power_w
    assert rows[0]["memory_used_mib"] == shown.hbm_used_mib and rows[0]["memory_total_mib"] == shown.hbm_total_mib


@pytest.mark.parametrize("name", ["nothing", "no_driver_to_talk_to"])
def test_no_table_is_unknown_and_not_no_cards(name: str) -> None:
    assert make_cards_record(npu_smi.parse((DATA / f"{name}.txt").read_text()), [0])["cards"] is None
    assert make_cards_record(None, [0])["cards"] is None


def test_a_long_run_has_some_thousand_samples() -> None:
    at_s, count = 0.0, 0
    while at_s < 14 * 86400:
        at_s += gap_s(at_s)
        count += 1
    assert count < 11_000 and gap_s(0) == 10


def test_a_run_notes_what_its_host_does(tmp_path: Path) -> None:
    job = make_job("sampled", [python_stage("train", "import time; time.sleep(2.5)")])
    run_job(tmp_path, job)
    hosts = [row for row in read_lines(tmp_path / "runs" / "sampled" / "metrics.jsonl") if row["kind"] == "host"]
    assert len(hosts) >= 2, "one at the start, and one that can tell a share"
    assert hosts[0]["memory_total_mib"] > hosts[0]["memory_used_mib"] > 0 and hosts[0]["disk_total_mib"] > 0
    assert 0 <= hosts[1]["cpu_percent"] <= 100


def test_metrics_stay_small_however_many_lines_there_are(tmp_path: Path) -> None:
    journal = Journal(tmp_path, make_job("many", [python_stage("train", "")]), {})
    with (tmp_path / "metrics.jsonl").open("wb") as file:
        file.truncate(96 << 20)
    for number in range(800):
        journal.record({"kind": "train", "iter": number, "iters": 800, "loss": 1.0})
    journal.record({"kind": "eval", "iter": 800, "miou": 0.5})
    with (tmp_path / "metrics.jsonl").open("rb") as file:
        file.seek(96 << 20)
        kinds = [json.loads(line)["kind"] for line in file]
    assert kinds == ["train"] * 100 + ["eval"]
    assert journal.status["progress"]["iter"] == 799, "what is shown is the latest all the same"


PATTERNS = [
    {"kind": "train", "pattern": r"step (?P<iter>\d+)/(?P<iters>\d+) loss=(?P<loss>\S+)( aux=(?P<aux>\S+))?"},
    {"kind": "train", "pattern": r"(?P<iter>\d+) it, eta (?P<eta>\S+)"},
    {"kind": "eval", "pattern": r"top1 (?P<top1>[\d.]+)"},
]


def test_another_trainer_is_read_by_its_own_patterns() -> None:
    parser = PatternParser(PATTERNS)
    lines = ["step 5/20 loss=0.25", "nothing", "step 6/20 loss=nan aux=1e-3", "7 it, eta 0:01:05", "top1 71.5"]
    assert [record for line in lines for record in parser.feed(line)] == [
        {"kind": "train", "iter": 5, "iters": 20, "loss": 0.25},
        {"kind": "train", "iter": 6, "iters": 20, "loss": None, "not_finite": ["loss"], "aux": 0.001},
        {"kind": "train", "iter": 7, "eta_s": 65},
        {"kind": "eval", "iter": 7, "top1": 71.5},
    ]


def test_patterns_of_a_stage_reach_its_progress(tmp_path: Path) -> None:
    stage = python_stage("train", "print('step 5/20 loss=0.25'); print('top1 71.5')", metrics=PATTERNS)
    status = run_job(tmp_path, make_job("own", [stage]))
    progress = status["progress"]
    assert (progress["iter"], progress["iters"], progress["loss"], progress["top1"]) == (5, 20, 0.25, 71.5)
