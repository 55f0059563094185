"""What a host tells of its cards to somebody who looks."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import card_report, cards
from jobctl.host.tickets import Wants
from tests.host.smi import FakeSmi


class Asked:
    """A request, as far as `answer` looks at it."""

    def __init__(self, folder: Path) -> None:
        self.params = {"lease_dir": str(folder)}


def report(folder: Path) -> dict[str, Any]:
    return card_report.answer(Asked(folder))  # type: ignore[arg-type]


def hold(folder: Path, count: int) -> cards.Lease:
    def refuse(describe: Callable[[], object], held: list[int]) -> None:
        raise AssertionError("there are cards")

    return cards.acquire(folder, Wants("run-1", count), {"run_id": "run-1", "by": "alice@laptop"}, refuse)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSmi:
    fake = FakeSmi(tmp_path / "smi bin")
    monkeypatch.setenv("PATH", f"{fake.folder}:{os.environ['PATH']}")
    return fake


def test_who_holds_a_card_is_told_and_afterwards_since_when_it_is_free(weird_path: Path, smi: FakeSmi) -> None:
    smi.show([0, 1])
    begun = time.time()
    lease = hold(weird_path, 1)
    (held,) = report(weird_path)["leases"]
    assert (held["card"], held["held"], held["run_id"], held["by"]) == (0, True, "run-1", "alice@laptop")
    assert begun - 1 <= held["since"] <= time.time()
    lease.release()
    (free,) = report(weird_path)["leases"]
    assert (free["held"], free["run_id"], free["since"]) == (False, None, None)
    assert held["since"] <= free["free_since"] <= time.time()


def test_a_try_that_came_to_nothing_does_not_change_since_when_a_card_is_free(weird_path: Path, smi: FakeSmi) -> None:
    smi.show([0, 1])
    hold(weird_path, 2).release()
    before = report(weird_path)["leases"]
    smi.show([0, 1], {1: os.getpid()})

    class Enough(Exception):
        pass

    def give_up(describe: Callable[[], object], held: list[int]) -> None:
        raise Enough

    with pytest.raises(Enough):
        cards.acquire(weird_path, Wants("run-2", 2), {"run_id": "run-2"}, give_up)
    assert report(weird_path)["leases"] == before


def test_processes_have_their_users(weird_path: Path, smi: FakeSmi) -> None:
    smi.show([0, 1], {1: os.getpid()})
    told = report(weird_path / "not there")
    assert told["leases"] == []
    assert told["owners"][str(os.getpid())]["user"] == getpass.getuser()
    assert card_report.owner(4194304 + 1) == {"user": None, "name": None}


def test_a_tool_that_hangs_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "npu-smi"
    smi.write_text('#!/bin/sh\necho "$@" >> "$0.asked"\nsleep 600\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = cards.ask_smi(5)
    assert told == (f"npu-smi failed: {smi} gave no answer within 5 s",) * 2
    assert (tmp_path / "npu-smi.asked").read_text() == "info\n"
