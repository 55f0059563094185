"""OpenSSH's client as a second carrier: it goes our way, trusts whom we have checked, and asks nobody."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from jobctl.errors import ConnectError
from jobctl.remote.ssh import Prompts, SshSettings, Tuning, make_ssh_transport
from jobctl.remote.ssh.openssh import OpensshTransport
from jobctl.remote.transport import Transport
from tests.password_server import PasswordServer, running_password_server
from tests.remote.tcp import listening, relay
from tests.remote.test_ssh_auth import SECRET, Person, authorize, own_keys, running_agent
from tests.remote.test_ssh_connect import RELAY, make_config, named_as, three
from tests.sshd import Sshd, make_key

__all__ = ["own_keys", "three"]  # fixtures

SOON = Tuning(attempts=3, first_pause_s=0.01)


@contextmanager
def another(settings: SshSettings, prompts: Prompts | None = None) -> Iterator[Transport | None]:
    """What carries bytes in bulk, once the first connection stands."""
    with closing(make_ssh_transport(settings, prompts, SOON)) as first, ExitStack() as stack:
        made = first.another()
        if made is not None:
            stack.callback(made.close)
        yield made


def log_in(settings: SshSettings) -> bytes:
    with another(settings) as made:
        assert isinstance(made, OpensshTransport)
        return made.run(["echo", "in"]).stdout


@pytest.mark.parametrize("alias", ["outer", "near", "target"])
def test_jump_hosts_are_gone_through(three: tuple[Sshd, Sshd, Sshd], tmp_path: Path, alias: str) -> None:
    settings = SshSettings("box", alias, ssh_config=make_config(tmp_path / "config", three))
    with another(settings) as made:
        assert isinstance(made, OpensshTransport)
        data = bytes(range(256)) * 5000
        assert made.run(["cat"], stdin=data).stdout == data


def test_a_proxy_command_of_the_configuration_is_used(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "my relay%.py").write_text(RELAY)
    config = tmp_path / "config"
    config.write_text(f'Host *\n  ProxyCommand "{sys.executable}" "{tmp_path}/my relay%%.py" %h %p\n')
    assert log_in(sshd.host(ssh_config=str(config))) == b"in\n"


def test_only_the_key_that_was_checked_is_trusted(sshd: Sshd, three: tuple[Sshd, Sshd, Sshd], tmp_path: Path) -> None:
    """The second connection ends at a server whose key is known for the same name, but is another."""
    turns = iter([relay(sshd.port), relay(three[0].port)])
    own = named_as(sshd, sshd.host())

    def take_turns(sock: socket.socket) -> None:
        next(turns)(sock)

    with listening(take_turns) as port:
        text = Path(str(own.known_hosts)).read_text()
        text += f"[127.0.0.1]:{port} {sshd.public_host_key}\n[127.0.0.1]:{port} {three[0].public_host_key}\n"
        (tmp_path / "known").write_text(text)
        with another(sshd.host(port=port, known_hosts=str(tmp_path / "known"))) as made:
            assert made is not None
            with pytest.raises(ConnectError, match="did not connect") as raised:
                made.run(["true"])
    assert "erification failed" in str(raised.value)


def test_a_server_that_drops_it_before_the_login_is_tried_again(sshd: Sshd) -> None:
    turns = iter([relay(sshd.port), relay(sshd.port, 0), relay(sshd.port, 30), relay(sshd.port)])
    tried = []

    def take_turns(sock: socket.socket) -> None:
        tried.append(sock)
        next(turns)(sock)

    with listening(take_turns) as port:
        (sshd.folder / "known").write_text(f"[127.0.0.1]:{port} {sshd.public_host_key}\n")
        assert log_in(sshd.host(port=port, known_hosts=str(sshd.folder / "known"))) == b"in\n"
    assert len(tried) == 4


def test_a_key_that_only_the_agent_holds_opens(
    sshd: Sshd, own_keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [tmp_path / f"key{number}" for number in range(8)]  # more than the server's MaxAuthTries
    for key in keys:
        make_key(key)
    authorize(sshd, keys[-1])
    (tmp_path / "config").write_text(f"IdentityFile {keys[-1]}.pub\n")
    with running_agent(tmp_path, keys) as agent:
        for key in keys:
            key.unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", agent)
        assert log_in(sshd.host(identity_file=None, ssh_config=str(tmp_path / "config"))) == b"in\n"


def test_where_a_secret_opens_paramiko_connects_once_more(
    sshd: Sshd, own_keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "id", passphrase=SECRET)
    authorize(sshd, tmp_path / "id")
    host = sshd.host(identity_file=str(tmp_path / "id"), passphrase_env="OPENS_IT")
    monkeypatch.setenv("OPENS_IT", SECRET)
    with another(host) as made:
        assert made is not None and not isinstance(made, OpensshTransport)
        assert made.run(["echo", "in"]).stdout == b"in\n"


def test_nobody_types_a_secret_twice(tmp_path: Path) -> None:
    with running_password_server(PasswordServer(tmp_path)) as server:
        person = Person([server.password])
        with another(server.host(), person) as made:
            assert made is None
        assert len(person.questions) == 1


def test_nothing_of_the_users_own_configuration_is_read(sshd: Sshd, own_home: Path) -> None:
    """Not even what would make every connection fail, or run a command."""
    (own_home / ".ssh").mkdir()
    pwned = own_home / "pwned"
    (own_home / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand touch {pwned}; exit 1\n")
    assert log_in(sshd.host()) == b"in\n"
    assert not pwned.exists()


def test_without_an_ssh_program_paramiko_connects_once_more(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(sshd.home))
    with another(sshd.host()) as made:
        assert made is not None and not isinstance(made, OpensshTransport)
        assert made.run(["echo", "in"]).stdout == b"in\n"
