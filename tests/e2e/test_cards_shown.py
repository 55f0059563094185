"""`jobctl cards`: all hosts in one table, and saved outputs of npu-smi. What npu-smi prints is made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import folders
from tests.e2e.lab import Lab
from tests.host.smi import FakeSmi

HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from jobctl.host import cards
from jobctl.host.tickets import Wants
lease = cards.acquire(Path(sys.argv[2]), Wants("run-1", 1, [4]), {"run_id": "run-1", "by": "alice@laptop"}, None)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def smi(local_lab: Lab, tmp_path: Path) -> FakeSmi:
    """The lab's host has cards; its commands see them, and so does the test's own process."""
    fake = FakeSmi(tmp_path / "smi bin")
    local_lab.env["PATH"] = f"{fake.folder}:{os.environ['PATH']}"
    return fake


def test_every_card_is_shown_with_who_has_it(local_lab: Lab, smi: FakeSmi, weird_path: Path) -> None:
    smi.show([0, 4, 5], {5: os.getpid()})
    leases = weird_path / "leases"
    leases.mkdir()
    argv = [sys.executable, "-c", HOLD, str(Path(__file__).parents[2]), str(leases)]
    environ = local_lab.environment()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        rows = local_lab.run("cards", "-i", str(local_lab.inventory)).out.splitlines()
        data = local_lab.run("cards", "-i", str(local_lab.inventory), "box", "--json").json()["data"]
        holder.communicate()
    assert [row.split()[:4] for row in rows[1:]] == [["box", str(card), "910B2", "OK"] for card in (0, 4, 5)]
    assert "run-1 of alice@laptop" in rows[2]
    assert "not of jobctl: " in rows[3] and f"pid {os.getpid()} (python)" in rows[3]
    found = data["hosts"]["box"]["cards"]
    assert [card["holder"] for card in found] == ["free", "held", "foreign"]
    assert [(card["run_id"], card["by"]) for card in found] == [(None, None), ("run-1", "alice@laptop"), (None, None)]
    assert [card["logic_id"] for card in found] == [0, 1, 2]
    after = local_lab.run("cards", "-i", str(local_lab.inventory), "--json").json()["data"]["hosts"]["box"]["cards"]
    assert (after[1]["holder"], after[1]["free_since"]) == ("free", None)  # its holder ended without letting go


def test_no_table_is_unknown_with_the_reason_never_no_cards(local_lab: Lab, smi: FakeSmi) -> None:
    program = smi.folder / "npu-smi"
    program.write_text(
        "#!/bin/sh\necho 'DrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)'\n"
        "echo 'dcmi module initialize failed. ret is -8005'\nexit 1\n"
    )
    told = local_lab.run("cards", "-i", str(local_lab.inventory)).out
    assert "unknown: dcmi module initialize failed. ret is -8005" in told
    host = local_lab.run("cards", "-i", str(local_lab.inventory), "--json").json()["data"]["hosts"]["box"]
    assert (host["cards"], host["unknown"]) == (None, "dcmi module initialize failed. ret is -8005")


def test_a_host_that_cannot_be_asked_hides_no_other(local_lab: Lab, smi: FakeSmi, weird_path: Path) -> None:
    smi.show([0])
    dead = {"address": "127.0.0.1", "port": 1, "user": "nobody", "connect_timeout_s": 5}
    hosts = {"box": {"transport": "local", **folders(weird_path)}, "dead": dead}
    local_lab.inventory.write_text(json.dumps({"hosts": hosts}), encoding="utf-8")
    said = local_lab.run("cards", "-i", str(local_lab.inventory), expect=3)
    assert said.out.splitlines()[1].split()[:2] == ["box", "0"]
    assert "error: dead: " in said.err
    data = local_lab.run("cards", "-i", str(local_lab.inventory), "--json", expect=3).json()["data"]
    assert list(data["hosts"]) == ["box"]
    assert list(data["errors"]) == ["dead"]


def test_a_saved_output_is_shown_as_it_is_read(local_lab: Lab) -> None:
    saved = local_lab.laptop / "saved.txt"
    sample = Path(__file__).parents[1] / "host" / "data" / "npu_smi" / "eight_busy.txt"
    saved.write_text(sample.read_text())
    data = local_lab.run("cards", "--parse", "saved.txt", "--json").json()["data"]
    assert (len(data["cards"]), len(data["processes"]), data["error"]) == (8, 8, None)
    told = local_lab.run("cards", "--parse", "saved.txt").out
    assert told.startswith("npu-smi info: info; driver ")
    done = subprocess.run(
        local_lab.argv("cards", "--parse", "-", "--json"),
        input=sample.read_text(),
        env=local_lab.environment(),
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["data"] == data
    assert "cannot read the saved output" in local_lab.run("cards", "--parse", "nosuch.txt", expect=2).err
    assert "no host is asked" in local_lab.run("cards", "--parse", "saved.txt", "box", expect=2).err
    assert "--inventory" in local_lab.run("cards", expect=2).err
