"""From host to host over a network: three hosts and a laptop in network namespaces, with addresses of their own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.links import Cluster, Node, Unavailable, cluster
from tests.e2e.conftest import make_lab
from tests.e2e.lab import Lab, Said

pytestmark = pytest.mark.root
DATA_BYTES = 16_000_000
UPLINK_MBIT = 60  # so that the data take two seconds to leave the laptop
NOBODY = "02:de:ad:00:00:01"
END_S = 60.0


@dataclass
class Site:
    """`lab` runs on the laptop of `network`."""

    network: Cluster
    lab: Lab

    def argv(self, *words: str) -> list[str]:
        return [*self.network.laptop, *self.lab.argv(*words)]

    def send(self, *words: str) -> Said:
        argv = self.argv("send", "config.yaml", "-i", str(self.lab.inventory), "--json", *words)
        environment = self.lab.environment()
        done = subprocess.run(argv, cwd=self.lab.laptop, env=environment, capture_output=True, text=True, timeout=240)
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def work_dir(self, node: Node) -> Path:
        return self.lab.work_dir / node.name


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """With a parameter: how many Mbit/s each host can send."""
    try:
        with cluster(tmp_path, 3, uplink_mbit=UPLINK_MBIT, between_mbit=getattr(request, "param", None)) as network:
            lab = make_lab(tmp_path, "{}")
            hosts = {}
            for node in network.hosts:
                host = json.loads(node.sshd.inventory("box"))["hosts"]["box"]
                hosts[node.name] = {**host, "work_dir": str(lab.work_dir / node.name)}
            lab.inventory.write_text(json.dumps({"hosts": hosts}))
            (lab.laptop / "data").mkdir()
            (lab.laptop / "data" / "pictures").write_bytes(os.urandom(DATA_BYTES))
            lab.write_config(["true"], data=[{"name": "pictures", "path": "data", "link": "data"}])
            yield Site(network, lab)
    except Unavailable as error:
        pytest.skip(str(error))


def sent(said: Said) -> list[int]:
    """Megabytes that left the laptop for each host, the most first: which one is the first of a chain is no matter."""
    return sorted((row["sent_bytes"] // 1_000_000 for row in said.json()["data"]), reverse=True)


def test_hosts_pass_data_on_over_their_own_network(site: Site) -> None:
    said = site.send()
    assert said.exit_code == 0, said
    assert sent(said) == [16, 0, 0]
    assert sent(site.send()) == [0, 0, 0]


def test_a_wall_between_two_hosts_is_told_and_both_get_it_from_the_laptop(site: Site) -> None:
    first, second, _ = site.network.hosts
    words = ["neigh", "replace", second.address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent"]
    subprocess.run(["ip", "-n", first.space, *words], check=True)  # what it sends there is lost, whoever began
    said = site.send("--host", first.name, "--host", second.name)
    assert said.exit_code == 0, said
    assert sent(said) == [16, 16]
    assert "cannot pass data pictures on to host" in said.err
    assert "no way to 10.99.0." in said.err


@pytest.mark.parametrize("site", [1], indirect=True)
def test_a_line_between_hosts_that_is_slower_than_the_uplink_is_given_up(site: Site) -> None:
    """At 1 Mbit/s the data would take two minutes to the next host; from the laptop they take two seconds."""
    first, second, _ = site.network.hosts
    said = site.send("--host", first.name, "--host", second.name)
    assert said.exit_code == 0, said
    assert sent(said)[0] == 16
    assert 0 < sent(said)[1] <= 16, "what had come from host to host is not sent again, but for the file it stopped in"
    assert "MB/s between them" in said.err


def test_a_laptop_that_is_killed_leaves_no_key_and_no_open_port_and_the_same_send_goes_on(site: Site) -> None:
    argv = site.argv("send", "config.yaml", "-i", str(site.lab.inventory))
    process = subprocess.Popen(argv, cwd=site.lab.laptop, env=site.lab.environment(), stderr=subprocess.DEVNULL)
    last = site.network.hosts[-1]
    until(lambda: bool(list(site.work_dir(last).glob("objects/??/.incoming-*"))) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for node in site.network.hosts:
        with (site.work_dir(node) / ".transfer.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held while anything is received or passed on
        until(lambda node=node: listening(node) == [node.sshd.port])
        files = [path for path in site.work_dir(node).rglob("*") if path.is_file()]
        assert files
        assert not any(b"PRIVATE KEY" in path.read_bytes() for path in files)
    assert site.send().exit_code == 0
    assert sent(site.send()) == [0, 0, 0]


def listening(node: Node) -> list[int]:
    """The TCP ports that are open on a host."""
    told = subprocess.run(["ip", "netns", "exec", node.space, "cat", "/proc/net/tcp"], capture_output=True, text=True)
    rows = [line.split() for line in told.stdout.splitlines()[1:]]
    return sorted(int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A")


def until(happened: object) -> None:
    assert callable(happened)
    end = time.monotonic() + END_S
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
