"""A program over SSH: login shells that talk, new keys under way, peers that die."""

from __future__ import annotations

import contextlib
import os
import pwd
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobctl.errors import ConnectError, ConnectionLost, HostError
from jobctl.remote.ssh import SshSettings, Tuning, make_ssh_transport
from jobctl.remote.ssh.transport import SshTransport
from tests.sshd import Sshd, running_sshd

HASTY = Tuning(ping_after_s=0.2, dead_after_s=4.0, attempts=1, session_timeout_s=5.0)
NOTICED_S = 20.0
"""Far above `dead_after_s`, far below what TCP alone takes: the tests do not measure, they end."""


@contextmanager
def connected(settings: SshSettings, tuning: Tuning = HASTY) -> Iterator[SshTransport]:
    transport = make_ssh_transport(settings, tuning=tuning)
    try:
        yield transport
    finally:
        transport.close()


# -- the login shell ---------------------------------------------------------------------------------------------------


def write_start_up_files(home: Path, text: str) -> None:
    """What bash reads when sshd starts it, and what zsh reads always. fish and csh have files of their own."""
    if Path(pwd.getpwuid(os.getuid()).pw_shell).name not in ("bash", "zsh"):
        pytest.skip("the account's login shell is neither bash nor zsh")
    for name in (".bashrc", ".zshenv"):
        (home / name).write_text(text)


def test_what_the_login_shell_prints_is_not_the_programs_output(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server") as server, connected(server.host()) as transport:
        write_start_up_files(server.home, "echo 'Welcome!'; yes | head -c 100000; echo quota >&2\n")
        done = transport.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert (done.exit_code, done.stdout) == (3, b"out\n")
        assert done.stderr == b"quota\nerr\n"
        with contextlib.closing(transport.open(["cat"])) as stream:
            stream.write(b"abc")
            assert stream.read(1) == b"a" and stream.read(100) == b"bc"


def test_a_login_shell_that_does_not_run_the_command_is_a_clear_error(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server") as server, connected(server.host()) as transport:
        write_start_up_files(server.home, "echo 'Account expired.'; exit 1\n")
        with pytest.raises(HostError, match="did not run the command") as raised:
            transport.run(["true"])
        assert "Account expired." in str(raised.value.value)


def test_a_server_that_forces_another_command_is_a_clear_error(tmp_path: Path) -> None:
    options = ["ForceCommand echo only backups here"]
    with (
        running_sshd(tmp_path / "server", options) as server,
        connected(server.host()) as transport,
        pytest.raises(HostError, match="did not run") as raised,
    ):
        transport.run(["true"])
    assert "only backups here" in str(raised.value.value)


# -- new keys under way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["we", "the server"])
def test_new_keys_are_negotiated_while_data_flows_both_ways(tmp_path: Path, who: str) -> None:
    size = 1_000_000
    tuning = Tuning(rekey_bytes=300_000) if who == "we" else Tuning()
    options = ["RekeyLimit 300K"] if who == "the server" else []
    data = os.urandom(size)
    with running_sshd(tmp_path / "server", options) as server, connected(server.host(), tuning) as transport:
        for _ in range(5):
            assert transport.run(["cat"], stdin=data).stdout == data


def test_a_channel_that_ends_in_the_middle_of_a_key_exchange_does_not_stop_the_connection(tmp_path: Path) -> None:
    # paramiko 5.1 without our repair: "Key-exchange timed out waiting for key negotiation" after 30 s.
    tuning = Tuning(rekey_bytes=100_000)
    with running_sshd(tmp_path / "server") as server, connected(server.host(), tuning) as transport:
        for number in range(40):
            size = 100_000 + 500 * number
            assert len(transport.run(["head", "-c", str(size), "/dev/zero"]).stdout) == size
        assert transport.traffic.connections == 1


# -- peers that die ----------------------------------------------------------------------------------------------------


def test_a_reader_notices_a_host_that_hangs(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server") as server, connected(server.host()) as transport:
        stream = transport.open(["cat"])
        stream.write(b"x")
        assert stream.read(1) == b"x"
        server.freeze()
        with pytest.raises(ConnectionLost, match="nothing was heard"):
            stream.read(1)


def test_a_writer_notices_a_host_that_hangs(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server") as server, connected(server.host()) as transport:
        stream = transport.open(["cat"])
        server.freeze()
        with pytest.raises(ConnectionLost):
            stream.write(b"x" * 50_000_000)


def test_a_host_that_hangs_behind_a_jump_host_is_noticed(sshd: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server") as server:
        config = tmp_path / "config"
        config.write_text(sshd.config_block("jump") + server.config_block("box", "ProxyJump jump"))
        with connected(SshSettings("box", "box", ssh_config=str(config))) as transport:
            stream = transport.open(["cat"])
            server.freeze()
            with pytest.raises(ConnectionLost):
                stream.write(b"x" * 50_000_000)


def test_a_host_that_hangs_while_we_connect_is_noticed(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server") as server:
        server.freeze()
        with connected(server.host(connect_timeout_s=1.0)) as transport, pytest.raises(ConnectError) as raised:
            transport.run(["true"])
    assert "said nothing for 1 s" in raised.value.what


def test_a_quiet_program_is_no_dead_peer(sshd: Sshd) -> None:
    with connected(sshd.host(), Tuning(ping_after_s=0.05, dead_after_s=3.0)) as transport:
        assert transport.run(["sh", "-c", "sleep 4.5; echo still here"]).stdout == b"still here\n"


def test_a_connection_that_is_cut_is_lost_and_the_next_command_makes_a_new_one(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server") as server, connected(server.host()) as transport:
        stream = transport.open(["sh", "-c", "echo started; exec sleep 60"])
        assert stream.read(100) == b"started\n"
        server.stop()
        with pytest.raises(ConnectionLost) as raised:
            stream.read(1)
        assert "what runs on the host goes on" in raised.value.hint
        assert stream.finish()[0] is None
        server.start()
        assert transport.run(["echo", "back"]).stdout == b"back\n"
        assert transport.traffic.connections == 2


def test_closing_the_transport_wakes_a_reader(sshd: Sshd) -> None:
    with connected(sshd.host()) as transport:
        stream = transport.open(["sleep", "60"])
        ended = threading.Event()

        def read() -> None:
            with contextlib.suppress(ConnectionLost):
                stream.read(1)
            ended.set()

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.1)
        transport.close()
        assert ended.wait(NOTICED_S)
        reader.join()
