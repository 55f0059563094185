"""`jobctl watch` on a real run, over a real connection that is cut: by keys, as its user does it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from jobctl.api.listener import Silent
from jobctl.watch.app import WatchApp
from jobctl.watch.log_view import LogView
from jobctl.watch.start import make_app
from tests.e2e.lab import Lab, python
from tests.sshd import Sshd, running_sshd
from tests.watch.made import lines_of, until

TRAIN = """
import os, sys, time
print("\\x1b[31mred\\x1b[0m [bold]words[/bold]", flush=True)
for at in range(10, 60, 10):
    print("[TRAIN] epoch: 1, iter: %d/100, loss: %.4f, lr: 0.01, batch_cost: 0.2, reader_cost: 0.1, "
          "ips: 1.0 samples/sec | ETA 00:01:00" % (at, 1.0 / at), flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.02)
print("after the cut", flush=True)
while True: time.sleep(0.1)
"""


def shown(app: WatchApp) -> str:
    return "\n".join(lines_of(app))


def log_of(app: WatchApp) -> list[str]:
    return list(app.query_one(LogView).buffer.lines)


@pytest.fixture
def watched(ssh_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The lab's laptop is this process: where its records are, where it stands."""
    monkeypatch.setenv("JOBCTL_HOME", ssh_lab.environment()["JOBCTL_HOME"])
    monkeypatch.chdir(ssh_lab.laptop)
    return ssh_lab


def test_a_run_is_watched_over_a_lost_connection_searched_pulled_and_cancelled(watched: Lab, tmp_path: Path) -> None:
    lab, gate = watched, tmp_path / "gate"
    with running_sshd(tmp_path / "own sshd") as sshd:
        lab.inventory.write_text(sshd.inventory("box", work_dir=str(lab.work_dir)))
        lab.write_config(python(TRAIN, str(gate)))
        run_id = lab.submit()
        asyncio.run(watch(make_app(run_id, Silent()), lab, sshd, gate))


def test_who_leaves_leaves_nothing_on_the_host_and_the_run_goes_on(watched: Lab, tmp_path: Path) -> None:
    lab = watched
    with running_sshd(tmp_path / "own sshd") as sshd:
        lab.inventory.write_text(sshd.inventory("box", work_dir=str(lab.work_dir)))
        lab.write_config(python(TRAIN, str(tmp_path / "gate")))
        run_id = lab.submit()
        asyncio.run(look_and_leave(make_app(run_id, Silent()), sshd))
        assert not processes_in_the_end(sshd)
        assert lab.run("cancel", run_id, "--json").json()["data"]["state"] == "CANCELLED", "it ran until now"


async def look_and_leave(app: WatchApp, sshd: Sshd) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: "\nlive\n" in shown(app) and "50 of 100" in shown(app))
        assert sshd.processes()
        await pilot.press("q")


async def watch(app: WatchApp, lab: Lab, sshd: Sshd, gate: Path) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "50 of 100" in shown(app) and "loss 0.0200" in shown(app))
        assert f"{app.run_id} on box: RUNNING, train" in shown(app)
        assert "red [bold]words[/bold]" in log_of(app)
        await search(pilot, app)
        await lose_and_find(pilot, app, sshd, gate)
        await pilot.press("p")
        await until(pilot, lambda: "files new" in shown(app))
        assert (lab.laptop / "results" / app.run_id).is_dir()
        await pilot.press("c", "y")
        await until(pilot, lambda: "the run is over" in shown(app))
        assert ": CANCELLED" in shown(app)
        await pilot.press("q")
    assert lab.run("status", app.run_id, "--json").json()["data"]["state"] == "CANCELLED"


async def search(pilot: Pilot[None], app: WatchApp) -> None:
    await pilot.press("slash", *"iter: 3", "enter")
    await until(pilot, lambda: "/iter: 3: 1 of 1" in shown(app))
    await pilot.press("end")


async def lose_and_find(pilot: Pilot[None], app: WatchApp, sshd: Sshd, gate: Path) -> None:
    """The run goes on meanwhile; it is never called failed, and no line comes twice."""
    before = log_of(app)
    sshd.stop()
    await until(pilot, lambda: "NO CONNECTION, as seen" in shown(app))
    assert "RUNNING, train" in shown(app) and "FAILED" not in shown(app)
    gate.touch()
    sshd.start()
    await until(pilot, lambda: "after the cut" in log_of(app))
    assert log_of(app) == [*before, "after the cut"]
    await until(pilot, lambda: "\nlive\n" in shown(app))


def processes_in_the_end(sshd: Sshd) -> list[int]:
    deadline = time.monotonic() + 60
    while (left := sshd.processes()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


NO_TERMINAL = {"a pipe": ({}, "this is none"), "a dumb terminal": ({"TERM": "dumb"}, "move the cursor")}


@pytest.mark.parametrize("case", NO_TERMINAL)
def test_where_nothing_can_be_drawn_it_names_the_command_for_plain_lines(local_lab: Lab, case: str) -> None:
    environment, told = NO_TERMINAL[case]
    argv, env = local_lab.argv("watch"), {**local_lab.environment(), **environment}
    if case == "a pipe":
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    else:
        ours, theirs = os.openpty()
        done = subprocess.run(argv, env=env, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True)
        os.close(theirs)
        os.close(ours)
    assert done.returncode == 2
    assert told in done.stderr and "jobctl logs -f" in done.stderr
