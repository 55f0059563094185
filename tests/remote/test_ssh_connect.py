"""The way to a host: what fails on it, over jump hosts, by the user's own configuration."""

from __future__ import annotations

import errno
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from jobctl.errors import ConnectError, HostError, UnknownHostKey
from jobctl.remote.ssh import SshSettings, Tuning, make_ssh_transport
from jobctl.remote.ssh.config import Hop
from jobctl.remote.ssh.failures import explain_dial
from jobctl.remote.ssh.transport import SshTransport
from tests.remote.tcp import listening, relay
from tests.sshd import Sshd, free_port, running_sshd

ONCE = Tuning(attempts=1)
SOON = Tuning(attempts=4, first_pause_s=0.01)


@contextmanager
def connected(settings: SshSettings, tuning: Tuning = ONCE) -> Iterator[SshTransport]:
    transport = make_ssh_transport(settings, tuning=tuning)
    try:
        yield transport
    finally:
        transport.close()


def failure(settings: SshSettings, tuning: Tuning = ONCE) -> HostError:
    with connected(settings, tuning) as transport, pytest.raises(HostError) as raised:
        transport.run(["true"])
    return raised.value


# -- one hop -----------------------------------------------------------------------------------------------------------


def test_a_name_that_nobody_knows(sshd: Sshd) -> None:
    error = failure(sshd.host(address="no-such-host.invalid"))
    assert isinstance(error, ConnectError)
    assert "no-such-host.invalid is not known" in error.what and error.next_command.startswith("getent hosts")


def test_a_port_where_nobody_listens(sshd: Sshd) -> None:
    port = free_port()
    error = failure(sshd.host(port=port))
    assert isinstance(error, ConnectError) and f"refuses connections on port {port}" in error.what
    assert error.next_command == f"ssh -v -p {port} {sshd.user}@127.0.0.1 true"


def test_a_host_that_does_not_answer(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        port = server.getsockname()[1]
        for _ in range(4):  # fills the queue, so that the kernel drops what comes next
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        error = failure(sshd.host(port=port, connect_timeout_s=0.5))
    assert isinstance(error, ConnectError) and "did not answer" in error.what and "0.5 s" in error.what


OTHER_ERRORS = [
    (OSError(errno.EHOSTUNREACH, "No route to host"), "no way to box"),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), "no way to box"),
    (OSError(errno.EACCES, "Permission denied"), "no connection to box"),
]


@pytest.mark.parametrize(("error", "what"), OTHER_ERRORS)
def test_what_the_network_says_is_put_into_words(error: OSError, what: str) -> None:
    explained = explain_dial(error, Hop("box", "box", 22, "alice"))
    assert what in explained.what and explained.value == error.strerror and "ssh -v" in explained.next_command


def listen_only(sock: socket.socket) -> None:
    while sock.recv(1000):
        pass


def test_a_server_that_says_nothing(sshd: Sshd) -> None:
    with listening(listen_only) as port:
        error = failure(sshd.host(port=port, connect_timeout_s=0.5))
    assert isinstance(error, ConnectError) and "said nothing for 0.5 s" in error.what


def test_a_server_that_is_no_ssh_server(sshd: Sshd) -> None:
    with listening(lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        error = failure(sshd.host(port=port), SOON)
    assert isinstance(error, ConnectError) and "does not let us speak SSH" in error.what
    assert "HTTP/1.1 400" in str(error.value)


@pytest.mark.parametrize("cut_after", [0, 30, 1000], ids=["before the version", "after it", "in the key exchange"])
def test_a_server_that_drops_us_before_the_login_is_tried_again(sshd: Sshd, cut_after: int) -> None:
    cut = relay(sshd.port, cut_after)
    through = relay(sshd.port)
    turns = iter([cut, cut, through])

    def take_turns(sock: socket.socket) -> None:
        next(turns)(sock)

    settings = named_as(sshd, sshd.host())
    with listening(take_turns) as port, connected(replace(settings, port=port), SOON) as transport:
        assert transport.run(["echo", "in"]).stdout == b"in\n"
    with listening(cut) as port:
        error = failure(replace(settings, port=port), SOON)
    assert isinstance(error, ConnectError) and "closed the connection before the login" in error.what


def named_as(sshd: Sshd, settings: SshSettings) -> SshSettings:
    """The same host key, whatever the port."""
    known_hosts = sshd.folder / "any_port"
    known_hosts.write_text(f"[127.0.0.1]:* {sshd.public_host_key}\n")
    return replace(settings, known_hosts=str(known_hosts))


def test_max_startups_of_a_real_server_is_named(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server", ["MaxStartups 1:100:1"]) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as other:
            assert other.recv(4) == b"SSH-"
            error = failure(server.host(), Tuning(attempts=2, first_pause_s=0.01))
        assert isinstance(error, ConnectError) and "MaxStartups" in str(error)
        with connected(server.host(), SOON) as transport:
            assert transport.run(["true"]).exit_code == 0


def test_the_other_address_of_a_name_is_tried(sshd: Sshd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[localhost]:{sshd.port} {sshd.public_host_key}\n")
    with connected(sshd.host(address="localhost", known_hosts=str(known_hosts))) as transport:
        assert transport.run(["true"]).exit_code == 0


# -- jump hosts --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, Sshd, Sshd]]:
    folder = tmp_path_factory.mktemp("three")
    with ExitStack() as stack:
        outer, inner, target = (
            stack.enter_context(running_sshd(folder / name)) for name in ("outer", "inner", "target")
        )
        yield outer, inner, target


def make_config(file: Path, servers: tuple[Sshd, Sshd, Sshd]) -> str:
    outer, inner, target = servers
    file.write_text(
        outer.config_block("outer")
        + inner.config_block("inner", "ProxyJump outer")
        + target.config_block("target", "ProxyJump inner")
        + target.config_block("near", "ProxyJump outer")
    )
    return str(file)


@pytest.mark.parametrize(("alias", "connections"), [("outer", 1), ("near", 2), ("target", 3)])
def test_jump_hosts_are_gone_through(
    three: tuple[Sshd, Sshd, Sshd], tmp_path: Path, alias: str, connections: int
) -> None:
    settings = SshSettings("box", alias, ssh_config=make_config(tmp_path / "config", three))
    with connected(settings) as transport:
        data = bytes(range(256)) * 5000
        assert transport.run(["cat"], stdin=data).stdout == data
        assert transport.traffic.connections == connections


@pytest.mark.parametrize("unknown", [0, 1, 2])
def test_an_unknown_key_on_any_hop_is_refused(three: tuple[Sshd, Sshd, Sshd], tmp_path: Path, unknown: int) -> None:
    settings = SshSettings("box", "target", ssh_config=make_config(tmp_path / "config", three))
    three[unknown].known_hosts.write_text("")
    try:
        error = failure(settings)
    finally:
        three[unknown].trust()
    assert isinstance(error, UnknownHostKey) and three[unknown].name_in_known_hosts in error.what
    assert three[unknown].public_host_key in error.next_command


def test_the_inventory_alone_can_name_jump_hosts(three: tuple[Sshd, Sshd, Sshd], tmp_path: Path) -> None:
    outer, inner, target = three
    keys = tmp_path / "known hosts"
    keys.write_text("".join(server.known_hosts.read_text() for server in three))
    for server in (outer, inner):
        with (server.folder / "authorized_keys").open("ab") as file:
            file.write(Path(f"{target.identity}.pub").read_bytes())
    jumps = f"{outer.user}@127.0.0.1:{outer.port},{inner.user}@127.0.0.1:{inner.port}"
    with connected(target.host(proxy_jump=jumps, known_hosts=str(keys))) as transport:
        assert transport.run(["true"]).exit_code == 0
        assert transport.traffic.connections == 3


def test_a_jump_host_that_cannot_reach_the_next_hop(three: tuple[Sshd, Sshd, Sshd], tmp_path: Path) -> None:
    settings = SshSettings("box", "near", port=free_port(), ssh_config=make_config(tmp_path / "config", three))
    error = failure(settings)
    assert isinstance(error, ConnectError) and error.what.startswith("outer cannot reach 127.0.0.1")
    assert "-J" in error.next_command


def test_a_jump_host_that_forwards_nothing(three: tuple[Sshd, Sshd, Sshd], tmp_path: Path) -> None:
    with running_sshd(tmp_path / "closed", ["AllowTcpForwarding no"]) as closed:
        config = make_config(tmp_path / "config", (closed, three[1], three[2]))
        error = failure(SshSettings("box", "near", ssh_config=config))
    assert isinstance(error, ConnectError) and "does not forward connections" in error.what


RELAY = """\
import os, socket, sys, threading
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        sock.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := sock.recv(65536):
    os.write(1, data)
"""


def test_a_proxy_command_of_the_configuration_is_used(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "my relay.py").write_text(RELAY)
    config = tmp_path / "config"
    config.write_text(f'Host *\n  ProxyCommand "{sys.executable}" "{tmp_path}/my relay.py" %h %p\n')
    with connected(sshd.host(ssh_config=str(config))) as transport:
        assert transport.run(["echo", "in"]).stdout == b"in\n"
    config.write_text("Host *\n  ProxyCommand exit 1\n")
    assert isinstance(failure(sshd.host(ssh_config=str(config))), ConnectError)
    with connected(sshd.host(ssh_config=str(config), proxy_jump="none")) as transport:
        assert transport.run(["true"]).exit_code == 0


# -- one connection ----------------------------------------------------------------------------------------------------


def test_everything_goes_over_one_connection(sshd: Sshd) -> None:
    with connected(sshd.host()) as transport:
        threads = [threading.Thread(target=transport.run, args=(["true"],)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert transport.traffic.connections == 1


def test_one_session_too_many_is_a_clear_error(sshd: Sshd) -> None:
    with connected(sshd.host()) as transport:
        streams = [transport.open(["cat"]) for _ in range(10)]
        with pytest.raises(HostError, match="MaxSessions"):
            transport.open(["cat"])
        streams[0].close()
        streams[1].write(b"still here")
        assert streams[1].read(100) == b"still here"


def test_making_a_transport_connects_to_nothing_and_imports_no_ssh_library(sshd: Sshd) -> None:
    import subprocess

    script = (
        "import sys; from jobctl.remote.ssh import SshSettings, make_ssh_transport\n"
        "make_ssh_transport(SshSettings('box', 'no-such-host.invalid')).close()\n"
        "sys.exit(bool({'paramiko', 'fabric', 'cryptography'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2]).returncode == 0
