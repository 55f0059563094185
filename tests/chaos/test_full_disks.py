"""A disk fills up: the host's while it trains, the laptop's while it pulls."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.small_disk import fill, small_disk
from tests.chaos.sound import assert_sound
from tests.chaos.training import ENDLESS, PATIENCE_S, Site
from tests.host.runs import marked_processes, wait_for

pytestmark = pytest.mark.root

SAVING = {**ENDLESS, "save_interval": 25}


def test_the_hosts_disk_is_full_when_a_checkpoint_is_written(site: Site) -> None:
    run_id = site.started(SAVING)
    output = site.run_dir(run_id) / "output"
    with small_disk(output, "64k"):
        told = site.wait(run_id)
        assert "space" in told["reason"], told["reason"]
        kept = [path for path in output.glob("iter_*") if (path / "model.pdopt").exists()]
        assert kept, "what was saved before stays"
        assert_sound(site, "FAILED", run_id)


def test_the_hosts_disk_is_full_when_the_status_is_written(site: Site) -> None:
    """The ranks cannot write their logs either, and die of it; how it ended is told as soon as there is space."""
    with small_disk(site.work_dir, "16m"):
        run_id = site.started(SAVING)
        filler = fill(site.work_dir)
        wait_for(lambda: {"left": marked_processes(site.run_dir(run_id))}, lambda found: not found["left"], PATIENCE_S)
        assert site.run("status", run_id, "--json").json()["data"]["state"] == "RUNNING"
        filler.unlink()
        site.wait(run_id)
        assert_sound(site, "FAILED", run_id)


def test_the_laptops_disk_is_full_in_the_middle_of_a_pull(site: Site) -> None:
    run_id = site.started({"iters": 3})
    assert site.wait(run_id)["state"] == "SUCCEEDED"
    (site.run_dir(run_id) / "output" / "large.bin").write_bytes(os.urandom(3_000_000))
    there = site.laptop / f"pulled {run_id}"
    with small_disk(there, "1m"):
        said = site.run("pull", run_id, "--to", there.name, expect=None)
        assert said.exit_code != 0 and "no space left" in said.err
        assert not list(there.rglob("large.bin")), "under its final name a file is complete"
    assert_sound(site, "SUCCEEDED", run_id)


def test_home_of_the_host_is_read_only(site: Site, tmp_path: Path) -> None:
    with small_disk(tmp_path / "home", "64k", ",ro"):
        site.host_env.write_text(f'export HOME="{tmp_path / "home"}"\n')
        run_id = site.started({"iters": 3})
        assert site.wait(run_id)["state"] == "SUCCEEDED"
        assert_sound(site, "SUCCEEDED", run_id)


def test_tmp_of_the_host_is_noexec(site: Site, tmp_path: Path) -> None:
    with small_disk(tmp_path / "tmp", "4m", ",noexec"):
        site.host_env.write_text(f'export TMPDIR="{tmp_path / "tmp"}"\n')
        run_id = site.started({"iters": 3})
        assert site.wait(run_id)["state"] == "SUCCEEDED"
        assert_sound(site, "SUCCEEDED", run_id)
