"""The laptop's process is killed just before each step of a submit, the laptop's own steps and the host's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.chaos.sound import half_done
from tests.chaos.training import HERE, Site

KILLER = HERE / "killer"


@pytest.mark.slow
@pytest.mark.parametrize("side", ["laptop", "host"])
def test_the_laptop_is_killed_at_each_step(site: Site, side: str, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    site.write_config(["true"])
    runs = {site.submit()}
    (site.laptop / "code" / "new.txt").write_text("so that something is sent")
    armed_submit(site, side, f"export STEPS='{steps}'")
    runs |= set(site.runs_on_host())
    count = len(steps.read_text().splitlines())
    assert count > 5, steps.read_text()
    for step in range(1, count + 1):
        (site.laptop / "code" / "new.txt").write_text(f"so that something is sent, {step}")
        told = armed_submit(site, side, f"export KILL_AT={step}")
        run_id = site.submit()
        runs |= {run_id, told} - {""}
        assert set(site.runs_on_host()) == runs, f"killed before step {step} of\n{steps.read_text()}"
    for run_id in runs:
        site.until(run_id, lambda found: found["state"] == "SUCCEEDED")
    rows = site.run("ps", "--json").json()["data"]
    assert {row["run_id"]: row["state"] for row in rows} == dict.fromkeys(runs, "SUCCEEDED")
    assert half_done(site.work_dir / "runs") == [] and list((site.work_dir / "staging").iterdir()) == []


def armed_submit(site: Site, side: str, exports: str) -> str:
    """A submit that is killed, or that tells its steps; what it has told its user: a run's id, or nothing."""
    was = site.host_env.read_text()
    lines = f'export PYTHONPATH="{KILLER}:$PYTHONPATH" {exports.removeprefix("export ")}\n'
    if side == "host":
        site.host_env.write_text(f"{was}{lines}export KILL_PARENT=1\n")
    argv = ["sh", "-c", f'{lines if side == "laptop" else ""}exec "$@"', "sh"]
    try:
        argv += site.argv("submit", "config.yaml", "-i", str(site.inventory))
        if side == "laptop":
            site.host_env.write_text(f"{was}unset KILL_AT STEPS\n")
        done = subprocess.run(argv, cwd=site.laptop, env=site.environment(), capture_output=True, text=True)
    finally:
        site.host_env.write_text(was)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()
