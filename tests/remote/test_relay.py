"""One tree for several hosts, each with a real OpenSSH server: sent once, passed on, whole whatever dies meanwhile."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobctl.errors import ChangedHostKey, ConnectionLost, TransferError
from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource
from jobctl.remote.channel import HostChannel, open_host_channel
from jobctl.remote.relay import Outcomes, Told, send_to_all
from jobctl.remote.relay_keys import keys_for, make_identity
from jobctl.remote.ssh import make_ssh_transport
from jobctl.remote.sync import send_tree
from tests.sshd import Sshd, running_sshd

SMALL, LARGE_BYTES = 40, 30_000_000


@dataclass
class Host:
    """A server, the work_dir of its own, and an open channel to it."""

    sshd: Sshd
    work_dir: Path
    channel: HostChannel

    def holds(self, tree: TreeSource) -> bool:
        """Every file of the tree, as its hash says."""
        digest = tree.manifest.digest
        return bool(self.channel.call("tree_offer", digest=digest).header["known"])


@dataclass
class Heard:
    """What was told of a transfer; `on_progress` may do something about it."""

    notes: list[str] = field(default_factory=list)
    last: dict[str, tuple[int, int]] = field(default_factory=dict)
    on_progress: Any = lambda label, done, total: None

    @property
    def told(self) -> Told:
        return Told("data", self.notes.append, self._progress)

    def _progress(self, label: str, done: int, total: int) -> None:
        self.last[label] = (done, total)
        self.on_progress(label, done, total)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """Three of them: a, b and c."""
    with ExitStack() as stack:
        found = []
        for name in "abc":
            sshd = stack.enter_context(running_sshd(tmp_path / f"sshd {name}"))
            work_dir = tmp_path / f"work dir {name}"
            transport = make_ssh_transport(sshd.host(name=name))
            stack.callback(transport.close)
            channel = stack.enter_context(open_host_channel(transport, root=str(work_dir), python="python3"))
            found.append(Host(sshd, work_dir, channel))
        yield found


@pytest.fixture
def tree(tmp_path: Path) -> TreeSource:
    """Small files, an empty one, and a large one that takes a while."""
    folder = tmp_path / "data"
    (folder / "dir").mkdir(parents=True)
    for number in range(SMALL):
        (folder / "dir" / str(number)).write_bytes(os.urandom(5000))
    (folder / "empty").touch()
    (folder / "large").write_bytes(os.urandom(LARGE_BYTES))
    return make_data_tree(folder, TreeCache(tmp_path / "hashes"))


def spread(hosts: Sequence[Host], tree: TreeSource, heard: Heard, **options: bool) -> Outcomes:
    return send_to_all([host.channel for host in hosts], tree, heard.told, **options)


def sent_bytes(outcomes: Outcomes) -> list[int]:
    return [outcome.value.size_bytes for outcome in outcomes]


def test_a_tree_leaves_the_laptop_once_and_arrives_whole_everywhere(hosts: list[Host], tree: TreeSource) -> None:
    heard = Heard()
    assert sent_bytes(spread(hosts, tree, heard)) == [tree.manifest.size_bytes, 0, 0]
    assert all(host.holds(tree) for host in hosts)
    assert heard.notes == ["data: sent once, then passed on from host to host: a -> b -> c"]
    whole = (tree.manifest.size_bytes, tree.manifest.size_bytes)
    assert heard.last == {f"data to {name}": whole for name in "abc"}


def test_where_one_host_has_it_nothing_leaves_the_laptop(hosts: list[Host], tree: TreeSource) -> None:
    send_tree(hosts[1].channel, tree)
    heard = Heard()
    assert sent_bytes(spread(hosts, tree, heard)) == [0, 0, 0]
    assert all(host.holds(tree) for host in hosts)
    assert "b has it" in heard.notes[0]


def test_what_a_host_has_of_it_is_not_passed_on_to_it(hosts: list[Host], tree: TreeSource, tmp_path: Path) -> None:
    part = make_data_tree(tmp_path / "data" / "dir", TreeCache(tmp_path / "hashes"))
    send_tree(hosts[2].channel, part)
    heard = Heard()
    spread(hosts, tree, heard)
    assert heard.last["data to c"] == (LARGE_BYTES, LARGE_BYTES)
    assert hosts[2].holds(tree)


def test_a_host_that_dies_while_it_passes_on_costs_no_other_its_data(
    hosts: list[Host], tree: TreeSource, tmp_path: Path
) -> None:
    """a -> b -> c, and b's server with all its sessions is killed once c has had something from it."""
    heard, killed = Heard(), threading.Event()

    def kill_b(label: str, done: int, total: int) -> None:
        if label == "data to c" and done and not killed.is_set():
            killed.set()
            hosts[1].sshd.stop()

    heard.on_progress = kill_b
    for number in range(4):  # long enough on any machine for b to be in the middle of it
        (tmp_path / "data" / f"larger {number}").write_bytes(os.urandom(LARGE_BYTES))
    tree = make_data_tree(tmp_path / "data", TreeCache(tmp_path / "hashes"))
    a, b, c = spread(hosts, tree, heard)
    if killed.is_set():  # else it was all passed on before the first word of it came
        # b may have had the last of it by then, and have said so, before the first word of c came through.
        on_disk = hosts[1].work_dir / "trees" / f"{tree.manifest.digest}.json"
        assert isinstance(b.error, ConnectionLost) or on_disk.exists()
    assert not a.error and not c.error
    assert hosts[0].holds(tree) and hosts[2].holds(tree)


def test_a_host_that_was_dead_before_is_left_out_and_said_so(hosts: list[Host], tree: TreeSource) -> None:
    hosts[1].sshd.stop()
    heard = Heard()
    a, b, c = spread(hosts, tree, heard)
    assert isinstance(b.error, ConnectionLost)
    assert [a.value.size_bytes, c.value.size_bytes] == [tree.manifest.size_bytes, 0]
    assert heard.notes == ["data: sent once, then passed on from host to host: a -> c"]


def test_a_hop_that_does_not_work_is_told_and_the_rest_is_sent_from_here(hosts: list[Host], tree: TreeSource) -> None:
    """b cannot listen: it says that the laptop came to it at an address that it does not have."""
    heard = Heard()
    environment = "203.0.113.1 1 203.0.113.77 22"  # TEST-NET-3
    transport = make_ssh_transport(hosts[1].sshd.host(name="b"))
    python = hosts[1].work_dir.parent / "python behind a wall"
    python.write_text(f'#!/bin/sh\nSSH_CONNECTION="{environment}" exec python3 "$@"\n')
    python.chmod(0o755)
    with open_host_channel(transport, root=str(hosts[1].work_dir), python=str(python)) as channel:
        hosts[1].channel = channel
        sizes = sent_bytes(spread(hosts, tree, heard))
        assert all(host.holds(tree) for host in hosts)
    transport.close()
    assert sizes == [tree.manifest.size_bytes, tree.manifest.size_bytes, 0], "b is sent it, and passes it on to c"
    assert "a cannot pass data on to b" in heard.notes[1]
    assert "b gets what it lacks from here" in heard.notes[1]


def test_a_small_tree_is_sent_to_each_from_here(hosts: list[Host], tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file").write_bytes(b"x" * 1000)
    tree, heard = make_data_tree(tmp_path / "small", TreeCache(tmp_path / "hashes")), Heard()
    assert sent_bytes(spread(hosts, tree, heard)) == [1000, 1000, 1000]
    assert heard.notes == []


def test_direct_is_never_from_host_to_host(hosts: list[Host], tree: TreeSource) -> None:
    heard = Heard()
    assert sent_bytes(spread(hosts, tree, heard, direct=True)) == [tree.manifest.size_bytes] * 3
    assert heard.notes == []


@dataclass
class Hop:
    """A receiving host, up to where it listens, and what the passing host needs to be told."""

    receiving: Any
    params: dict[str, Any]


def open_hop(stack: ExitStack, before: Host, after: Host, tree: TreeSource) -> Hop:
    one, other = make_identity(), make_identity()
    digest = tree.manifest.digest
    manifest = zlib.compress(tree.manifest.data)
    receiving = stack.enter_context(
        after.channel.exchange("relay_receive", manifest, digest=digest, keys=keys_for(other, one))
    )
    where = receiving.receive().header
    params = {"digest": digest, "keys": keys_for(one, other), "address": where["address"], "port": where["port"]}
    return Hop(receiving, {"payload": manifest, **params})


def test_an_impostor_at_the_next_host_s_address_is_refused_loudly_and_gets_nothing(
    hosts: list[Host], tree: TreeSource, tmp_path: Path
) -> None:
    heard: list[bytes] = []
    other = make_identity()
    pem = tmp_path / "impostor.pem"
    pem.write_text(other.certificate + other.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def impostor() -> None:
            with listener.accept()[0] as raw:
                try:
                    with context.wrap_socket(raw, server_side=True) as sock:
                        heard.append(sock.recv(100))
                except OSError:
                    heard.append(b"")

        thread = threading.Thread(target=impostor)
        thread.start()
        send_tree(hosts[0].channel, tree)
        hop = open_hop(stack, hosts[0], hosts[1], tree)
        with pytest.raises(ChangedHostKey, match="SOMEBODY ELSE ANSWERED"):
            hosts[0].channel.call("relay_pass", **{**hop.params, "port": listener.getsockname()[1]})
        thread.join()
    assert heard == [b""]


def test_strangers_who_knock_are_sent_away_and_hold_up_nothing(hosts: list[Host], tree: TreeSource) -> None:
    send_tree(hosts[0].channel, tree)
    with ExitStack() as stack:
        hop = open_hop(stack, hosts[0], hosts[1], tree)
        where = (hop.params["address"], hop.params["port"])
        with socket.create_connection(where) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with suppress(ConnectionResetError):
                while stranger.recv(1000):
                    pass
        mine = make_identity()
        keys = {**hop.params["keys"], "certificate": mine.certificate, "key": mine.key}
        untrusted = {**hop.params, "keys": keys}
        with pytest.raises(TransferError):
            hosts[0].channel.call("relay_pass", **untrusted)
        with hosts[0].channel.exchange("relay_pass", **hop.params) as passing:
            assert [header for header, _ in passing][-1]["passed"] == tree.manifest.size_bytes
        assert hop.receiving.receive().header["known"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(where)
    assert hosts[1].holds(tree)


def test_no_key_of_a_hop_is_ever_on_a_disk_and_none_outlives_the_laptop(
    hosts: list[Host], tree: TreeSource, tmp_path: Path
) -> None:
    seen: list[Path] = []
    heard = Heard()

    def look(label: str, done: int, total: int) -> None:
        for path in (path for host in hosts for path in host.work_dir.rglob("*")):
            with suppress(FileNotFoundError):  # renamed meanwhile
                if path.is_file() and path.stat().st_size < 100_000 and b"PRIVATE KEY" in path.read_bytes():
                    seen.append(path)

    heard.on_progress = look
    spread(hosts, tree, heard)
    assert heard.last and seen == []
    with ExitStack() as stack:
        hop = open_hop(stack, hosts[0], hosts[1], tree)
        hosts[1].channel.close()  # all that a host notices of a laptop that was killed
        with (hosts[1].work_dir / ".transfer.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held by whoever receives
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((hop.params["address"], hop.params["port"]))
