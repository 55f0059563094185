"""Files on the host are damaged, replaced, or of another version, while a run goes on or after its supervisor died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.chaos.sound import assert_sound
from tests.chaos.training import ENDLESS, Site

STATUS_TEXTS: dict[str, Callable[[str], str]] = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "of a newer version": lambda text: json.dumps({**json.loads(text), "version": 99, "new": {"a": [1]}}),
}


@pytest.mark.parametrize("name", STATUS_TEXTS)
def test_status_json(site: Site, name: str) -> None:
    run_id = site.started(ENDLESS)
    kill_the_supervisor(site, run_id)
    path = site.run_dir(run_id) / "status.json"
    path.write_text(STATUS_TEXTS[name](path.read_text()))
    assert site.run("status", run_id, "--json").json()["data"]["state"] == "LOST"
    site.run("ps")
    site.run("cancel", run_id)
    assert_sound(site, "CANCELLED", run_id)


def test_status_json_while_the_run_goes_on(site: Site) -> None:
    run_id = site.started({"iters": 300, "step_s": 0.01})
    path = site.run_dir(run_id) / "status.json"
    for damage in STATUS_TEXTS.values():
        path.write_text(damage(path.read_text() or "{}"))
        site.run("ps")
    assert site.wait(run_id)["state"] == "SUCCEEDED"
    assert_sound(site, "SUCCEEDED", run_id)


def test_the_pid_of_a_dead_supervisor_is_somebody_elses(site: Site) -> None:
    run_id = site.started(ENDLESS)
    kill_the_supervisor(site, run_id)
    path = site.run_dir(run_id) / "status.json"
    found = json.loads(path.read_text())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        found["supervisor"]["pid"] = stranger.pid
        path.write_text(json.dumps(found))
        assert site.run("status", run_id, "--json").json()["data"]["state"] == "LOST"
        site.run("cancel", run_id)
        assert stranger.poll() is None, "whoever has the number now is left alone"
        stranger.communicate(b"\n")
    assert_sound(site, "CANCELLED", run_id)


def test_the_host_program_is_replaced_while_the_run_goes_on(site: Site) -> None:
    run_id = site.started({"iters": 300, "step_s": 0.01})
    (program,) = (site.work_dir / "host").glob("*.pyz")
    program.write_bytes(b"another program")
    assert site.wait(run_id)["state"] == "SUCCEEDED"
    assert_sound(site, "SUCCEEDED", run_id)


def kill_the_supervisor(site: Site, run_id: str) -> None:
    found = site.until(run_id, lambda found: found["supervisor"] is not None)
    os.kill(found["supervisor"]["pid"], signal.SIGKILL)
    site.run("status", run_id)
