"""Several hosts at once: one that is silent or dead delays none of the others, and data leave the laptop once."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobctl.remote.relay_keys import make_identity
from tests.e2e.conftest import make_lab
from tests.e2e.lab import Lab, Said, python
from tests.e2e.speaking_host import give_host
from tests.sshd import Sshd

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


DATA_BYTES = 12_000_000


@pytest.fixture
def trio(weird_path: Path, shared_sshd: Sshd) -> Lab:
    """Three hosts, which are three work_dirs behind one SSH server, and a config whose data are worth a relay."""
    fields = json.loads(shared_sshd.inventory("box"))["hosts"]["box"]
    hosts = {
        name: {**fields, "work_dir": str(weird_path / name), "lease_dir": str(weird_path / "leases")} for name in "abc"
    }
    lab = make_lab(weird_path, json.dumps({"hosts": hosts}))
    (lab.laptop / "data").mkdir()
    (lab.laptop / "data" / "picture").write_bytes(os.urandom(DATA_BYTES))
    lab.write_config(["cat", "data/picture"], data=[{"name": "pictures", "path": "data", "link": "data"}])
    return lab


def sent(said: Said) -> dict[str, int]:
    return {row["host"]: row["sent_bytes"] for row in said.json()["data"]}


def test_data_for_three_hosts_leave_the_laptop_once_and_a_submit_finds_them(trio: Lab) -> None:
    inventory = str(trio.inventory)
    chain = "sent once from here, then from host to host (a -> b -> c)"
    every = [word for name in "abc" for word in ("--host", name)]
    assert chain in trio.run("plan", "config.yaml", "-i", inventory, *every).out
    first = trio.run("send", "config.yaml", "-i", inventory, "--json")
    assert DATA_BYTES <= sum(sent(first).values()) < 2 * DATA_BYTES
    assert "on from host to host: " in first.err
    assert sent(trio.run("send", "config.yaml", "-i", inventory, "--json")) == {"a": 0, "b": 0, "c": 0}


def test_each_host_that_is_named_gets_a_run_and_a_dead_one_stops_no_other(trio: Lab) -> None:
    hosts = json.loads(trio.inventory.read_text())["hosts"]
    hosts["dead"] = {"address": "127.0.0.1", "port": 1, "user": "alice"}
    trio.inventory.write_text(json.dumps({"hosts": hosts}))
    every = [word for name in ("a", "dead", "b", "c") for word in ("--host", name)]
    said = trio.run("submit", "config.yaml", "-i", str(trio.inventory), *every, expect=3)
    run_ids = said.out.split()
    assert len(run_ids) == 3
    assert "error: dead: " in said.err
    found = {run_id: trio.wait(run_id) for run_id in run_ids}
    assert {status["host"]: status["state"] for status in found.values()} == dict.fromkeys("abc", "SUCCEEDED")
    assert all(f"{run_id} is on {status['host']}" in said.err for run_id, status in found.items())


def test_to_follow_several_runs_or_to_name_a_host_twice_is_refused_before_anything_is_sent(trio: Lab) -> None:
    inventory = str(trio.inventory)
    follow = trio.run("submit", "config.yaml", "-i", inventory, "--host", "a", "--host", "b", "--follow", expect=2)
    assert "one run can be followed" in follow.err
    twice = trio.run("submit", "config.yaml", "-i", inventory, "--host", "a", "--host", "a", expect=2)
    assert "a host is named twice" in twice.err
    assert trio.run("ps", "--json").json()["data"] == []


LISTENS_ELSEWHERE = """
say("ready", {})
for asked in requests():
    if asked["op"] == "tree_send":
        frame({"id": asked["id"], "missing": [], "more": True})
    answer = {"known": asked["op"] != "tree_offer"}
    if asked["op"] == "relay_receive":
        answer = {"address": "127.0.0.1", "port": {port}, "more": True}
    frame({"id": asked["id"], **answer})
"""


def test_an_impostor_between_two_hosts_gets_nothing_and_the_send_fails_loudly(trio: Lab) -> None:
    """`b` says that it listens where somebody else does: what a host sees of a network that is not to be trusted."""
    with impostor() as (port, heard):
        give_host(trio, LISTENS_ELSEWHERE.replace("{port}", str(port)), "b")
        said = trio.run("send", "config.yaml", "-i", str(trio.inventory), "--host", "a", "--host", "b", expect=None)
    assert "SOMEBODY ELSE ANSWERED" in said.err
    assert said.exit_code == 3
    assert b"".join(heard) == b""


@contextmanager
def impostor() -> Iterator[tuple[int, list[bytes]]]:
    """A TLS server with a certificate of its own; what it hears that is not TLS's own."""
    identity = make_identity()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(identity.certificate + identity.key)
        pem.flush()
        context.load_cert_chain(pem.name)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    raw = listener.accept()[0]
                    with raw, suppress(OSError), context.wrap_socket(raw, server_side=True) as sock:
                        heard.append(sock.recv(100))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
