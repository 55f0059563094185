"""What a host reaches: one in a network namespace, which gets a route, a proxy or a free port when the test says so."""

from __future__ import annotations

import http.server
import json
import os
import platform
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobctl import api
from tests.chaos.network import Network, network
from tests.checks.conftest import checks_of, write_job
from tests.checks.house import House, house
from tests.checks.test_hosts import home_and

pytestmark = pytest.mark.root
QUIET = {"device": "cpu", "install": [["--no-index"]]}


@dataclass
class Offline:
    """`house` reaches nobody but its neighbour; `server` is on this machine, at an address that needs a route."""

    house: House
    net: Network
    server: str
    port: int
    folder: Path

    def look(self, **values: Any) -> dict[str, Any]:
        inventory = self.folder / "inventory.yaml"
        inventory.write_text(self.house.inventory())
        (examined,) = api.doctor(inventory, config=write_job(self.folder, device="cpu", **values))
        return checks_of(examined)

    @property
    def url(self) -> str:
        return f"http://{self.server}:{self.port}"

    def connect(self) -> None:
        self.house.as_root(f"ip route replace {self.server} via {self.net.host}")

    def cut(self) -> None:
        subprocess.run([*self.house.inside, "ip", "route", "del", self.server], check=False, capture_output=True)


class Answering(http.server.BaseHTTPRequestHandler):
    """Any file is there but one; as a proxy it answers for others."""

    def do_HEAD(self) -> None:
        self.send_response(404 if self.path.endswith("/gone") else 200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def web_server(address: str) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer((address, 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def offline_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offline]:
    with network() as net, house(net.name) as made:
        device = f"jh{os.getpid() % 60000}"
        server = "198.18." + net.host.split(".", 2)[2]
        subprocess.run(["ip", "addr", "add", f"{server}/32", "dev", device], check=True)
        made.as_root("ip link set lo up")
        with web_server("0.0.0.0") as port:
            made.serve(address=net.laptop)
            yield Offline(made, net, server, port, tmp_path_factory.mktemp("offline"))


@pytest.fixture
def offline(offline_house: Offline) -> Iterator[Offline]:
    offline_house.cut()
    yield offline_house
    offline_house.cut()


def test_a_host_without_a_route_is_told_what_it_cannot_reach_and_that_a_bundle_helps(offline: Offline) -> None:
    port, url = offline.port, offline.url
    values: dict[str, Any] = {"git": f"{url}/PaddleSeg", "fetch": [f"{url}/weights.tar.gz"]}
    values["install"] = [["paddlepaddle", "-i", f"{url}/packages/"]]
    before = offline.look(**values)
    for name, path in (("pip_index", "/packages/"), ("git_remote", "/PaddleSeg"), ("downloads", "/weights.tar.gz")):
        check = before[name]
        assert (check.verdict, check.found) == ("failed", f"{url}{path}: Network is unreachable")
        assert check.wanted.endswith("offline: a bundle is needed")
        bundle = f"jobctl bundle {offline.folder}/config.yaml -o bundle.tar --arch {platform.machine()} --python 3."
        assert check.remedy.startswith(bundle)
        assert "--glibc 2." in check.remedy
        assert check.remedy_is_here
    offline.connect()
    after = offline.look(**values)
    for name in ("pip_index", "git_remote", "downloads"):
        assert after[name].verdict == "ok", after[name]
    assert f":{port}/packages/ (HTTP 200)" in after["pip_index"].found


def test_a_file_that_is_not_there_is_told(offline: Offline) -> None:
    offline.connect()
    check = offline.look(install=[["--no-index"]], fetch=[f"{offline.url}/gone"])["downloads"]
    assert (check.verdict, check.found) == ("failed", f"{offline.url}/gone: HTTP 404")


def test_the_proxy_of_the_login_is_used(offline: Offline) -> None:
    proxy = f"http://{offline.net.host}:{offline.port}"
    offline.house.serve([home_and(offline.house, http_proxy=proxy)], offline.net.laptop)
    check = offline.look(install=[["x", "--index-url=http://index.invalid/"]])["pip_index"]
    assert check.verdict == "ok", check
    offline.house.serve(address=offline.net.laptop)
    assert offline.look(install=[["x", "--index-url=http://index.invalid/"]])["pip_index"].verdict == "failed"


@pytest.mark.parametrize("form", ["ssh://git@{}:{}/PaddleSeg", "git://{}:{}/PaddleSeg"])
def test_a_repository_that_is_not_behind_http_is_tried_by_a_connection(offline: Offline, form: str) -> None:
    git = form.format(offline.server, offline.port)
    check = offline.look(install=[["--no-index"]], git=git)["git_remote"]
    assert check.found == f"{git.replace('git@', '***@')}: Network is unreachable"
    offline.connect()
    assert offline.look(install=[["--no-index"]], git=git)["git_remote"].verdict == "ok"


def test_another_host_that_cannot_be_reached_from_this_one_is_told(offline: Offline) -> None:
    hosts = json.loads(offline.house.inventory())["hosts"]
    hosts["other"] = {"address": offline.server, "port": offline.port, "user": "alice"}
    (offline.folder / "two.yaml").write_text(json.dumps({"hosts": hosts}))
    box, _ = api.doctor(offline.folder / "two.yaml", ["box", "other"], config=write_job(offline.folder, **QUIET))
    check = checks_of(box)["peers"]
    assert check.verdict == "failed"
    assert f"other ({offline.server}:{offline.port}): Network is unreachable" in check.found
    assert "unreachable" in (said := offline.house.as_user(check.remedy)).stdout + said.stderr
    offline.connect()
    box, _ = api.doctor(offline.folder / "two.yaml", ["box", "other"], config=write_job(offline.folder, **QUIET))
    again = checks_of(box)["peers"]
    assert again.verdict == "ok"
    assert "whether a firewall lets a training's ports through is not known" in again.found
    assert offline.house.as_user(check.remedy).returncode == 0


LISTEN = """
import os, socket, time
held = []
for port in range(20000, 32768):
    if port % 8 == 0:
        held.append(socket.socket())
        held[-1].bind(("", port))
        held[-1].listen(1)
print(os.getpid(), flush=True)
time.sleep(600)
"""


def test_a_host_without_a_free_block_of_ports_is_told_and_who_has_them(offline: Offline) -> None:
    argv = [*offline.house.inside, "/usr/bin/python3", "-c", LISTEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            pid = int(holder.stdout.readline())
            check = offline.look(install=[["--no-index"]])["ports"]
            said = offline.house.as_user(f"sudo {check.remedy}")
        finally:
            offline.house.as_root(f"kill {pid}")
    assert check.verdict == "failed"
    assert f"pid={pid}," in said.stdout
    assert offline.look(install=[["--no-index"]])["ports"].verdict == "ok"
