"""What must be true after every fault, whatever it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

from jobctl.host.files import read_json
from jobctl.host.locks import is_held
from tests.chaos.training import Site
from tests.host.runs import marked_processes


def assert_sound(site: Site, state: str, *run_ids: str) -> None:
    """The runs on the host are these and no more, each in `state`; nothing of them lives, holds or lies about."""
    assert site.runs_on_host() == sorted(run_ids), "no run is lost, none is doubled"
    for run_id in run_ids:
        told = site.run("status", run_id, "--json").json()["data"]
        assert told["state"] == state, told
        run_dir = site.run_dir(run_id)
        assert marked_processes(run_dir) == [], "no process is left"
        assert not is_held(run_dir / "supervisor.lock")
        assert held_leases(site, run_dir) == [], "no card is held"
        assert not (run_dir / "secrets.json").exists()
        assert "Traceback" not in (run_dir / "supervisor.log").read_text()
        assert_all_is_pulled(site, run_id)
    assert half_done(site.work_dir) == [], "nothing half-done lies about"


def held_leases(site: Site, run_dir: Path) -> list[Path]:
    folder = (read_json(run_dir / "job.json") or {}).get("lease_dir") or site.work_dir / "leases"
    return [path for path in Path(folder).rglob("*.lock") if is_held(path)]


def half_done(work_dir: Path) -> list[Path]:
    """What is being put together, and parts of files that were being written."""
    return [*(work_dir / "staging").glob("*"), *work_dir.rglob("*.part")]


def assert_all_is_pulled(site: Site, run_id: str) -> None:
    """No artifact is lost: what the run left arrives, byte for byte."""
    site.run("pull", run_id, "--to", f"pulled {run_id}")
    there = hashes(site.run_dir(run_id) / "output")
    assert hashes(site.laptop / f"pulled {run_id}" / "output") == there


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
