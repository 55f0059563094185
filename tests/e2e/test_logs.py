"""What `jobctl logs` shows: ranks, the last lines, what is younger than a time, what matches; and what it leaves."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, python
from tests.sshd import Sshd

RANKS = """
import os
folder = os.path.join(os.environ["JOBCTL_RUN_DIR"], "log", "train-1")
os.makedirs(folder)
for rank in range(3):
    with open(os.path.join(folder, "workerlog.%d" % rank), "w", encoding="utf-8") as log:
        for number in range(5):
            log.write("line %d of rank %d \\u4e2d\\u6587\\n" % (number, rank))
        log.write("rank %d has no end of line" % rank)
"""

STAMPED = """
import time
def say(ago_s, words):
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago_s))
    print("%s [INFO]\\t%s" % (stamp, words))
for number in range(3000):
    say(7200 - number, "old")
print("belongs to the old")
say(600, "young")
print("belongs to the young")
"""


@pytest.fixture
def three_ranks(lab: Lab) -> tuple[Lab, str]:
    lab.write_config(python(RANKS))
    run_id = lab.submit()
    lab.wait(run_id)
    return lab, run_id


def test_the_lines_of_all_ranks_come_marked(three_ranks: tuple[Lab, str]) -> None:
    lab, run_id = three_ranks
    lines = lab.run("logs", run_id, "--rank", "all").out.splitlines()
    assert len(lines) == 18
    for rank in range(3):
        mine = [line.removeprefix(f"[{rank}] ") for line in lines if line.startswith(f"[{rank}] ")]
        assert mine == [f"line {number} of rank {rank} 中文" for number in range(5)] + [
            f"rank {rank} has no end of line"
        ]


def test_tail_and_grep_go_with_all_ranks(three_ranks: tuple[Lab, str]) -> None:
    lab, run_id = three_ranks
    assert len(lab.run("logs", run_id, "--rank", "all", "--tail", "2").out.splitlines()) == 6
    found = lab.run("logs", run_id, "--rank", "all", "--grep", "line [34] of rank [12]").out.splitlines()
    assert found == [f"[{rank}] line {number} of rank {rank} 中文" for rank in (1, 2) for number in (3, 4)]
    pieces = lab.run("logs", run_id, "--rank", "all", "--json").json()["data"]["pieces"]
    assert {piece["rank"] for piece in pieces} == {0, 1, 2}


def test_what_is_older_is_left_out(local_lab: Lab) -> None:
    lab = local_lab
    lab.write_config(python(STAMPED))
    run_id = lab.submit()
    lab.wait(run_id)
    whole = lab.run("logs", run_id).out.splitlines()
    young = whole[-2:]
    assert young[0].endswith("\tyoung")
    assert lab.run("logs", run_id, "--since", "20m").out.splitlines() == young
    assert lab.run("logs", run_id, "--since", young[0][:19]).out.splitlines() == young
    assert lab.run("logs", run_id, "--since", "1d").out.splitlines() == whole
    assert lab.run("logs", run_id, "--since", "1999-01-01T00:00:00Z").out.splitlines() == whole
    assert lab.run("logs", run_id, "--since", "1s", "--tail", "5000").out == "", "all of it is older than that"
    assert lab.run("logs", run_id, "--since", "1d", "--grep", "^belongs").out.splitlines() == [
        "belongs to the old",
        "belongs to the young",
    ]


WRONG = {
    "a rank": (["--rank", "al"], "not a rank"),
    "a time": (["--since", "yesterday"], "not a time"),
    "a pattern": (["--grep", "[EVAL"], "not a regular expression"),
    "a stage": (["--stage", "trian", "--rank", "all"], "no stage"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_typed_wrong_is_told_in_one_message(three_ranks: tuple[Lab, str], name: str) -> None:
    lab, run_id = three_ranks
    words, told = WRONG[name]
    said = lab.run("logs", run_id, *words, expect=2)
    assert told in said.err and not said.out


def test_a_pattern_that_never_ends_is_given_up(local_lab: Lab) -> None:
    lab = local_lab
    lab.write_config(python("print('a' * 40 + 'b')"))
    run_id = lab.submit()
    lab.wait(run_id)
    said = lab.run("logs", run_id, "--grep", "(a+)+$", expect=2)
    assert "takes longer" in said.err


def test_nothing_of_a_follower_stays_on_the_host(ssh_lab: Lab, shared_sshd: Sshd, tmp_path: Path) -> None:
    lab, gate = ssh_lab, tmp_path / "gate"
    wait = "import os, sys, time\nprint('up', flush=True)\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.05)"
    lab.write_config(python(wait, str(gate)))
    run_id = lab.submit()
    before = shared_sshd.processes()
    with subprocess.Popen(
        lab.argv("logs", "-f", run_id),
        cwd=lab.laptop,
        env=lab.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as follower:
        assert follower.stdout
        follower.stdout.read(1)
        assert set(shared_sshd.processes()) - set(before)
        follower.send_signal(signal.SIGINT)
        follower.communicate()
    assert follower.returncode == 130
    deadline = time.monotonic() + 60
    while left := set(shared_sshd.processes()) - set(before):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
    gate.touch()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
