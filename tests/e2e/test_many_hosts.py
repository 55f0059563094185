"""Several hosts at once: one that takes connections and then says nothing delays none of the others."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.lab import Lab, python

SILENCE_S = 300.0
"""Longer than any test: what is seen meanwhile was not waited for."""


@dataclass
class Silent:
    """A host that takes the connection and never says a word, until it hangs up."""

    listener: socket.socket
    fields: dict[str, Any]

    def hang_up(self) -> None:
        self.listener.close()  # what waits in its queue is reset


@contextmanager
def silent_host() -> Iterator[Silent]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        address = {"address": "127.0.0.1", "port": listener.getsockname()[1], "user": "alice"}
        yield Silent(listener, {**address, "connect_timeout_s": SILENCE_S, "ssh_config": "none"})


@pytest.fixture
def silent(local_lab: Lab) -> Iterator[Silent]:
    """The lab's inventory has three of these hosts before its own, under three names."""
    with silent_host() as host:
        hosts = json.loads(local_lab.inventory.read_text())["hosts"]
        silent_ones = {f"silent-{number}": host.fields for number in range(3)}
        local_lab.inventory.write_text(json.dumps({"hosts": {**silent_ones, **hosts}}))
        yield host


def until(process: subprocess.Popen[str], word: str) -> str:
    """What stands on standard output up to the line with `word`."""
    assert process.stdout
    seen = ""
    while word not in seen:
        line = process.stdout.readline()
        assert line, f"it ended without {word!r}: {seen}"
        seen += line
    return seen


def start(lab: Lab, *args: str) -> subprocess.Popen[str]:
    argv, env = lab.argv(*args), lab.environment()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(argv, cwd=lab.laptop, env=env, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def run_on(lab: Lab, host: str) -> str:
    """A run that ended on `box`; for another host as if it had been submitted there, and was running when last seen."""
    lab.write_config(python("pass"))
    run_id = lab.submit("--host", "box")
    lab.wait(run_id)
    if host != "box":
        path = lab.laptop / "records" / "runs" / f"{run_id}.json"
        record = json.loads(path.read_text())
        fields = json.loads(lab.inventory.read_text())["hosts"][host]
        record |= {"host_name": host, "host": {"name": host, **fields}}
        record["status"] |= {"state": "RUNNING"}
        path.write_text(json.dumps(record))
    return run_id


def test_ps_shows_the_others_while_a_host_is_silent_and_its_runs_with_their_age(local_lab: Lab, silent: Silent) -> None:
    away = run_on(local_lab, "silent-0")
    local_lab.write_config(python("import time; time.sleep(600)"))
    there = local_lab.submit("--host", "box")
    with start(local_lab, "ps") as ps:
        assert away not in until(ps, there)
        silent.hang_up()
        out, err = ps.communicate(timeout=120)
    assert ps.returncode == 0
    row = next(line for line in out.splitlines() if away in line)
    assert "RUNNING (" in row
    assert "ago)" in row
    assert "cannot ask the host" in row
    assert "no answer yet from silent-0" in err
    local_lab.run("cancel", there)


def test_ps_json_waits_for_all_and_says_what_could_not_be_asked(local_lab: Lab, silent: Silent) -> None:
    there, away = run_on(local_lab, "box"), run_on(local_lab, "silent-1")
    silent.hang_up()
    rows = {row["run_id"]: row for row in local_lab.run("ps", "--json").json()["data"]}
    assert rows[there]["error"] is None
    assert rows[away]["state"] == "RUNNING"  # not FAILED: it is the host that could not be asked
    assert rows[away]["age_s"] > 0
    assert rows[away]["error"]["kind"] == "ConnectError"


@pytest.mark.parametrize("command", ["adopt", "gc"])
def test_what_the_others_have_is_shown_while_three_hosts_are_silent(
    local_lab: Lab, silent: Silent, command: str
) -> None:
    run_id = run_on(local_lab, "box")
    records = local_lab.laptop / "records" / "runs"
    (records / f"{run_id}.json").unlink()
    with start(local_lab, command, "-i", str(local_lab.inventory)) as process:
        until(process, run_id)
        silent.hang_up()
        _, err = process.communicate(timeout=120)
    assert process.returncode == 3
    assert all(f"silent-{number}" in err for number in range(3))
