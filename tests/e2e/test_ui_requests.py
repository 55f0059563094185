"""`jobctl ui` over plain HTTP: who may ask, and that nobody else gets anything, or does anything."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import folders, make_lab
from tests.e2e.lab import Lab, python
from tests.e2e.test_logs import RANKS
from tests.e2e.ui_server import Server, serving


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, str, Server]]:
    """A lab with a run that has ended, served."""
    folder = tmp_path_factory.mktemp("ui")
    lab = make_lab(folder, json.dumps({"hosts": {"box": {"transport": "local", **folders(folder)}}}))
    told = python("print('é' * 40_000); [print('line', n) for n in range(5000)]")
    lab.write_config(told, python(RANKS), artifacts=[])
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "SUCCEEDED"
    with serving(lab) as server:
        server.enter()
        yield lab, run_id, server


PAGE = {"Origin": "{here}", "Sec-Fetch-Site": "same-origin", "X-Jobctl": "1"}
"""What the page sends with an action."""

REFUSED: dict[str, tuple[str, str, dict[str, str]]] = {
    "no cookie": ("GET", "/", {"Cookie": ""}),
    "no cookie for the events": ("GET", "/events", {"Cookie": ""}),
    "no cookie for an action": ("POST", "/runs/{run}/cancel", {**PAGE, "Cookie": ""}),
    "a cookie of nobody": ("GET", "/", {"Cookie": "jobctl-ui-{port}=AAAA"}),
    "a cookie that is none": ("GET", "/", {"Cookie": "{}[];=,é"}),
    "a wrong token": ("GET", "/?token=AAAA", {"Cookie": ""}),
    "an empty token": ("GET", "/?token=", {"Cookie": ""}),
    "a name bound anew to 127.0.0.1": ("GET", "/", {"Host": "attacker.example:{port}"}),
    "another port": ("GET", "/", {"Host": "127.0.0.1:1"}),
    "no Host": ("GET", "/", {"Host": ""}),
    "a page of another site": ("GET", "/events", {"Origin": "http://attacker.example"}),
    "a page in a sandbox, such as a report": ("GET", "/events", {"Origin": "null"}),
    "a picture in another site": ("GET", "/report?run={run}", {"Sec-Fetch-Site": "cross-site"}),
    "another server of this machine": ("GET", "/", {"Sec-Fetch-Site": "same-site"}),
    "an action of another site": ("POST", "/runs/{run}/cancel", {**PAGE, "Origin": "http://attacker.example"}),
    "an action of a form": ("POST", "/runs/{run}/cancel", {**PAGE, "X-Jobctl": ""}),
    "an action of nowhere": ("POST", "/runs/{run}/cancel", {**PAGE, "Origin": ""}),
    "an action across ports": ("POST", "/runs/{run}/cancel", {**PAGE, "Sec-Fetch-Site": "same-site"}),
    "what a browser asks before it lets another site": (
        "OPTIONS",
        "/runs/{run}/cancel",
        {"Origin": "http://a.example"},
    ),
}


def filled(text: str, server: Server, run_id: str) -> str:
    return text.replace("{here}", server.here).replace("{port}", str(server.port)).replace("{run}", run_id)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(known: tuple[Lab, str, Server], case: str) -> None:
    _, run_id, server = known
    method, path, headers = REFUSED[case]
    given = {name: filled(value, server, run_id) for name, value in headers.items()}
    answer = server.ask(method, filled(path, server, run_id), given)
    assert answer.status in ((400, 403) if case == "no Host" else (403,))
    assert not any(name.lower().startswith("access-control") for name in answer.headers)
    assert "set-cookie" not in answer.headers
    body = answer.body.decode()
    assert run_id not in body and len(body) < 300


ANSWERS: dict[str, tuple[str, str, int]] = {
    "the page": ("GET", "/", 200),
    "an action by GET": ("GET", "/runs/{run}/cancel", 405),
    "an action that is none": ("POST", "/runs/{run}/remove", 404),
    "a run that is none": ("POST", "/runs/nosuch/cancel", 404),
    "the beginning of a run's id": ("GET", "/events?run=tri", 404),
    "events of a run that is none": ("GET", "/events?run=%2e%2e%2fx", 404),
    "a rank that is none": ("GET", "/events?run={run}&rank=-1", 400),
    "a file of the page that is none": ("GET", "/page/..%2f__init__.py", 404),
    "another file of the report's": ("GET", "/page/report.html.j2", 404),
    "a part of a log that is too large": ("GET", "/log?run={run}&file=logs/train.log&start=0&end=99999999", 400),
    "a part of what is no log": ("GET", "/log?run={run}&file=../../../../etc/passwd&start=0&end=99", 502),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answered(known: tuple[Lab, str, Server], case: str) -> None:
    _, run_id, server = known
    method, path, status = ANSWERS[case]
    headers = {name: filled(value, server, run_id) for name, value in PAGE.items()} if method == "POST" else {}
    answer = server.ask(method, filled(path, server, run_id), headers)
    assert answer.status == status, answer.body
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_the_cookie_is_for_this_site_and_no_script(known: tuple[Lab, str, Server]) -> None:
    _, _, server = known
    answer = server.ask("GET", server.address.removeprefix(server.here), {"Cookie": "", "Sec-Fetch-Site": "cross-site"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert server.address.partition("token=")[2] not in answer.headers["set-cookie"]
    assert server.address.partition("token=")[2] not in answer.body.decode()


def test_nothing_listens_but_on_loopback(known: tuple[Lab, str, Server]) -> None:
    _, _, server = known
    inodes = {
        link.readlink().as_posix()[8:-1]
        for link in Path(f"/proc/{server.process.pid}/fd").iterdir()
        if link.is_symlink() and link.readlink().as_posix().startswith("socket:[")
    }
    listening = [
        row.split()[1]
        for name in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if row.split()[3] == "0A" and row.split()[9] in inodes
    ]
    assert listening == [f"0100007F:{server.port:04X}"]


def pieces(server: Server, path: str, headers: dict[str, str], enough: int) -> tuple[bytes, str, int]:
    """From an event stream: the log's bytes until there are `enough`, the last id, where the first piece began."""
    found, last, first = b"", "", -1
    event: dict[str, str] = {}
    with server.asking("GET", path, headers) as answer:
        assert answer.status == 200
        while len(found) < enough:
            line = answer.readline().decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
                continue
            if event.get("event") == "log":
                data = json.loads(event["data"])
                first = data["offset"] if first < 0 else first
                found += base64.b64decode(data["bytes"])
                last = event["id"]
            event = {}
    return found, last, first


def test_a_stream_that_is_cut_goes_on_at_the_next_byte(known: tuple[Lab, str, Server]) -> None:
    lab, run_id, server = known
    (log,) = lab.work_dir.glob("runs/*/logs/train.log")
    whole = log.read_bytes()
    path = f"/events?run={run_id}"
    start = json.dumps({"file": "logs/train.log", "positions": {"logs/train.log": 0}})
    before, last, first = pieces(server, path, {"Last-Event-ID": start}, 1)
    assert first == 0 and 0 < len(before) < len(whole)
    after, _, _ = pieces(server, path, {"Last-Event-ID": last}, len(whole) - len(before))
    assert before + after == whole


def test_a_log_begins_at_its_end_and_earlier_parts_are_to_be_had(known: tuple[Lab, str, Server]) -> None:
    lab, run_id, server = known
    (log,) = lab.work_dir.glob("runs/*/logs/train.log")
    whole = log.read_bytes()
    tail, _, first = pieces(server, f"/events?run={run_id}", {}, 1)
    assert first > 0 and whole[first:].startswith(tail) and whole[first:].count(b"\n") == 2000
    part = server.ask("GET", f"/log?run={run_id}&file=logs/train.log&start={first - 1001}&end={first}")
    assert part.body == whole[first - 1001 : first]


def test_one_rank_and_all_ranks_go_on_where_they_were_cut(known: tuple[Lab, str, Server]) -> None:
    lab, run_id, server = known
    logs = sorted(lab.work_dir.glob("runs/*/log/train-1/workerlog.*"))
    assert pieces(server, f"/events?run={run_id}&rank=2", {}, 1)[0] == logs[2].read_bytes()
    whole = b"".join(log.read_bytes() for log in logs)
    path = f"/events?run={run_id}&rank=all"
    before, last, _ = pieces(server, path, {}, 1)
    after, _, _ = pieces(server, path, {"Last-Event-ID": last}, len(whole) - len(before))
    assert len(logs) == 3 and before + after == whole


def test_the_report_can_ask_for_nothing_here(known: tuple[Lab, str, Server]) -> None:
    _, run_id, server = known
    answer = server.ask("GET", f"/report?run={run_id}")
    policy = answer.headers["content-security-policy"]
    assert answer.status == 200 and policy.startswith("sandbox ") and "allow-same-origin" not in policy
    assert run_id in answer.body.decode()


def test_a_port_that_is_taken_is_one_clear_error(local_lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = local_lab.run("ui", "--no-open", "--port", str(taken.getsockname()[1]), expect=2)
    assert said.err.startswith("error: cannot listen on this port") and said.out == ""


def test_an_inventory_that_is_not_there_is_one_clear_error(local_lab: Lab) -> None:
    said = local_lab.run("ui", "--no-open", "-i", "nosuch.yaml", expect=2)
    assert "nosuch.yaml" in said.err and said.out == ""


def test_the_browser_is_started_with_a_token_that_is_good_once(local_lab: Lab, tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = tmp_path / "xdg-open"  # in place of a desktop's
    program.write_text(f'#!/bin/sh\nprintf "%s" "$1" > "{told}.part" && mv "{told}.part" "{told}"\n')
    program.chmod(0o755)
    local_lab.env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    with serving(local_lab, browser=True) as server:
        deadline = time.monotonic() + 60
        while not told.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        path = told.read_text().removeprefix(server.here)
        assert path not in server.address
        assert [server.ask("GET", path).status for _ in range(2)] == [200, 403]


def test_a_host_that_is_away_holds_up_nobody(local_lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        address = {"address": "127.0.0.1", "user": "nobody", "port": silent.getsockname()[1]}
        hosts = json.loads(local_lab.inventory.read_text(encoding="utf-8"))["hosts"]
        local_lab.inventory.write_text(json.dumps({"hosts": {"away": address, **hosts}}), encoding="utf-8")
        local_lab.write_config(python("import time; time.sleep(600)"))
        run_id = local_lab.submit("--host", "box")
        with serving(local_lab, "-i", str(local_lab.inventory)) as server:
            server.enter()
            with server.asking("GET", "/events") as answer:
                while True:
                    line = answer.readline().decode()
                    hub = json.loads(line.removeprefix("data: ")) if line.startswith('data: {"runs"') else None
                    if hub and "told" in hub["hosts"].get("box", {}) and hub["runs"][0]["state"] == "RUNNING":
                        break
            assert "told" not in hub["hosts"]["away"]
        local_lab.run("cancel", run_id, "--grace", "0")


def test_with_the_last_page_the_host_is_left(local_lab: Lab) -> None:
    local_lab.write_config(python("import time; print('begun', flush=True); time.sleep(600)"))
    run_id = local_lab.submit()
    with serving(local_lab) as server:
        server.enter()
        pieces(server, f"/events?run={run_id}", {}, 1)
        assert _children(server.process.pid), "the host's program serves it"
        deadline = time.monotonic() + 60
        while _children(server.process.pid):
            assert time.monotonic() < deadline, "a channel stays open"
            time.sleep(0.1)
    local_lab.run("cancel", run_id)


def _children(pid: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            row = re.sub(r"^.*\) ", "", stat.read_text(), flags=re.DOTALL).split()
        except OSError:
            continue
        if row[1] == str(pid) and row[0] != "Z":
            found.append(stat.parent.name)
    return found
