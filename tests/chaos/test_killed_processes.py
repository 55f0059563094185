"""A process of the run dies at once and by force: one of its ranks, the launcher, its supervisor."""

from __future__ import annotations

import os
import signal

import pytest

from tests.chaos.sound import assert_sound
from tests.chaos.training import ENDLESS, Site
from tests.host.runs import marked_processes

RANK_ENDS = {"SIGKILL": (2, signal.SIGKILL), "SIGSEGV": (1, signal.SIGSEGV)}


@pytest.mark.parametrize("name", RANK_ENDS)
def test_a_rank_dies_of_a_signal(site: Site, name: str) -> None:
    number, sent = RANK_ENDS[name]
    run_id = site.started(ENDLESS)
    os.kill(site.rank(run_id, number), sent)
    told = site.wait(run_id)
    assert f"rank {number}" in told["reason"], told["reason"]
    assert_sound(site, "FAILED", run_id)


def test_a_rank_exits_with_7(site: Site) -> None:
    run_id = site.started({**ENDLESS, "fail": {"3": {"text": "ValueError: seven", "exit": 7}}})
    assert "ValueError: seven" in site.wait(run_id)["reason"]
    assert_sound(site, "FAILED", run_id)


def test_the_launcher_is_killed(site: Site) -> None:
    run_id = site.started(ENDLESS)
    os.kill(site.launcher(run_id), signal.SIGKILL)
    assert "SIGKILL" in site.wait(run_id)["reason"]
    assert_sound(site, "FAILED", run_id)


def test_the_supervisor_is_killed(site: Site) -> None:
    run_id = site.started(ENDLESS)
    found = site.until(run_id, lambda found: found["state"] == "RUNNING")
    os.kill(found["supervisor"]["pid"], signal.SIGKILL)
    site.until(run_id, lambda found: found["state"] == "LOST")
    assert marked_processes(site.run_dir(run_id)) == []  # its keeper has ended them
    row = site.run("ps", "--json").json()["data"][0]
    assert (row["state"], "SIGKILL" in row["reason"]) == ("LOST", True)
    site.run("cancel", run_id)
    assert_sound(site, "CANCELLED", run_id)
