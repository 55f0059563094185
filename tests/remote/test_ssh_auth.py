"""Keys, the agent, passphrases, passwords: what gets in, and what is said when nothing does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobctl.errors import AuthError
from jobctl.remote.ssh import Prompts, SshSettings, Tuning, make_ssh_transport
from jobctl.remote.ssh.auth import Credentials, Login
from jobctl.remote.ssh.config import Hop
from tests.password_server import PasswordServer, running_password_server
from tests.sshd import Sshd, make_key, running_sshd

SECRET = "correct $(horse) 'battery'"


@dataclass
class Person:
    """Answers what it is asked, in order; declines when there are no more answers."""

    answers: list[str]
    questions: list[str] = field(default_factory=list)

    def ask_secret(self, question: str) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else None


def log_in(settings: SshSettings, prompts: Prompts | None = None) -> bytes:
    transport = make_ssh_transport(settings, prompts, Tuning(attempts=1))
    try:
        return transport.run(["echo", "in"]).stdout
    finally:
        transport.close()


def refused(settings: SshSettings, prompts: Prompts | None = None) -> str:
    with pytest.raises(AuthError) as raised:
        log_in(settings, prompts)
    text = str(raised.value) + repr(raised.value) + str(raised.value.as_dict())
    assert SECRET not in text
    return text


@pytest.fixture
def own_keys(sshd: Sshd) -> Iterator[list[Path]]:
    """Paths of keys that the server is to accept as well; they are made known when the test adds them."""
    before = (sshd.folder / "authorized_keys").read_bytes()
    yield []
    (sshd.folder / "authorized_keys").write_bytes(before)


def authorize(sshd: Sshd, key: Path) -> None:
    with (sshd.folder / "authorized_keys").open("ab") as file:
        file.write(Path(f"{key}.pub").read_bytes())


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_without_a_passphrase_opens(sshd: Sshd, own_keys: list[Path], weird_path: Path, kind: str) -> None:
    make_key(weird_path / "id", kind)
    authorize(sshd, weird_path / "id")
    assert log_in(sshd.host(identity_file=str(weird_path / "id"))) == b"in\n"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_key_with_a_passphrase_opens_by_the_environment(
    sshd: Sshd, own_keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make_key(tmp_path / "id", kind, SECRET)
    authorize(sshd, tmp_path / "id")
    host = sshd.host(identity_file=str(tmp_path / "id"), passphrase_env="LAB_PASSPHRASE")
    assert "needs a passphrase" in refused(host)
    monkeypatch.setenv("LAB_PASSPHRASE", "wrong")
    assert "the passphrase does not open it" in refused(host)
    monkeypatch.setenv("LAB_PASSPHRASE", SECRET)
    assert log_in(host) == b"in\n"


def test_a_passphrase_is_asked_for_until_it_opens_the_key(sshd: Sshd, own_keys: list[Path], tmp_path: Path) -> None:
    make_key(tmp_path / "id", passphrase=SECRET)
    authorize(sshd, tmp_path / "id")
    person = Person(["wrong", SECRET])
    assert log_in(sshd.host(identity_file=str(tmp_path / "id")), person) == b"in\n"
    assert person.questions == [f"passphrase for {tmp_path / 'id'}: "] * 2


@contextmanager
def running_agent(folder: Path, keys: Sequence[Path]) -> Iterator[str]:
    socket = folder / "agent's socket"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        env = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], env=env, check=True, stdin=subprocess.DEVNULL)
        yield str(socket)
    finally:
        agent.kill()
        agent.wait()


def test_a_key_that_only_the_agent_holds_opens(
    sshd: Sshd, own_keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [tmp_path / "wrong", tmp_path / "right"]
    for key in keys:
        make_key(key)
    authorize(sshd, keys[1])
    with running_agent(tmp_path, keys) as socket:
        keys[1].unlink()
        host = sshd.host(identity_file=None)
        assert "agent key" not in refused(host)
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        assert log_in(host) == b"in\n"
        config = tmp_path / "config"
        config.write_text(f"IdentitiesOnly yes\nIdentityFile {tmp_path / 'wrong'}\n")
        text = refused(sshd.host(identity_file=None, ssh_config=str(config)))
        assert "wrong" in text and "agent key" not in text
        config.write_text(f"IdentitiesOnly yes\nIdentityFile {tmp_path / 'right'}\n")
        assert log_in(sshd.host(identity_file=None, ssh_config=str(config))) == b"in\n"
        monkeypatch.delenv("SSH_AUTH_SOCK")
        config.write_text(f'IdentityAgent "{socket}"\n')
        assert log_in(sshd.host(identity_file=None, ssh_config=str(config))) == b"in\n"


def test_a_locked_key_that_the_agent_holds_is_not_asked_for(
    sshd: Sshd, own_keys: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "id")
    authorize(sshd, tmp_path / "id")
    with running_agent(tmp_path, [tmp_path / "id"]) as socket:
        change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", SECRET, "-f", str(tmp_path / "id")]
        subprocess.run(change, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        person = Person([])
        assert log_in(sshd.host(identity_file=str(tmp_path / "id")), person) == b"in\n"
        assert person.questions == []


def test_an_agent_that_is_gone_does_no_harm(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere/agent")
    assert log_in(sshd.host()) == b"in\n"


def test_a_certificate_beside_the_key_opens(tmp_path: Path) -> None:
    for name in ("ca", "id"):
        make_key(tmp_path / name)
    with running_sshd(tmp_path / "server", [f"TrustedUserCAKeys {tmp_path / 'ca.pub'}"]) as server:
        sign = ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "me", "-n", server.user, str(tmp_path / "id.pub")]
        subprocess.run(sign, check=True, stdin=subprocess.DEVNULL)
        assert log_in(server.host(identity_file=str(tmp_path / "id"))) == b"in\n"


def test_a_refusal_names_what_was_tried_and_what_the_host_takes(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "id")
    (tmp_path / "not a key").write_text("hello")
    text = refused(sshd.host(identity_file=str(tmp_path / "id")))
    assert "it accepts: publickey" in text and str(tmp_path / "id") in text and "ssh -v -p" in text
    assert "there is no such file" in refused(sshd.host(identity_file=str(tmp_path / "missing")))
    assert "not a private key" in refused(sshd.host(identity_file=str(tmp_path / "not a key")))


def test_a_host_that_hangs_up_after_too_many_keys_is_told_from_a_lost_connection(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server", ["MaxAuthTries 2"]) as server:
        config = tmp_path / "config"
        for number in range(4):
            make_key(tmp_path / f"id{number}")
        config.write_text("".join(f"IdentityFile {tmp_path / f'id{number}'}\n" for number in range(4)))
        text = refused(server.host(identity_file=None, ssh_config=str(config)))
        assert "MaxAuthTries" in text and "id3" not in text


METHODS = [["password"], ["keyboard-interactive"], ["password", "keyboard-interactive"]]


@pytest.mark.parametrize("methods", METHODS)
def test_the_right_password_opens_wherever_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: list[str]
) -> None:
    (tmp_path / "password").write_text(SECRET + "\n")
    monkeypatch.setenv("LAB_PASSWORD", SECRET)
    with running_password_server(PasswordServer(tmp_path, methods, SECRET)) as server:
        assert log_in(server.host(password_env="LAB_PASSWORD")) == b"welcome"
        assert log_in(server.host(password_file=str(tmp_path / "password"))) == b"welcome"
        person = Person(["wrong", SECRET])
        assert log_in(server.host(), person) == b"welcome"
        assert person.questions == [f"password for alice@127.0.0.1:{server.port}: "] * 2


@pytest.mark.parametrize("methods", METHODS)
def test_a_wrong_password_is_refused_and_stands_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: list[str]
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", SECRET)
    with running_password_server(PasswordServer(tmp_path, methods, "another")) as server:
        text = refused(server.host(password_env="LAB_PASSWORD"))
        assert "tried: the password in $LAB_PASSWORD" in text and methods[0] in text
        assert server.seen == [SECRET]


def test_a_password_that_nobody_gave_is_named(tmp_path: Path) -> None:
    with running_password_server(PasswordServer(tmp_path)) as server:
        assert "$LAB_PASSWORD (it is not set)" in refused(server.host(password_env="LAB_PASSWORD"))
        assert "No such file" in refused(server.host(password_file=str(tmp_path / "none")))
        assert "`password_env`" in refused(server.host())
        assert server.seen == []


def test_a_question_that_is_no_password_is_put_to_the_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", SECRET)
    with running_password_server(PasswordServer(tmp_path, ["keyboard-interactive"], SECRET, code="123")) as server:
        person = Person([SECRET, "123"])
        assert log_in(server.host(password_env="LAB_PASSWORD"), person) == b"welcome"
        assert person.questions == ["Password: ", "One-time code: "]


def test_a_key_and_a_password_together_open_where_both_are_asked_for(sshd: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "server", ["AuthenticationMethods publickey,publickey"]) as server:
        make_key(tmp_path / "second")
        authorize(server, tmp_path / "second")
        config = tmp_path / "config"
        config.write_text(f"IdentityFile {tmp_path / 'second'}\n")
        assert log_in(server.host(ssh_config=str(config))) == b"in\n"


def test_no_secret_is_kept_where_it_could_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", SECRET)
    credentials = Credentials(password_env="LAB_PASSWORD", prompts=Person([SECRET]))
    assert SECRET not in repr(Login(Hop("box", "box", 22, "alice"), credentials))
    assert SECRET not in repr(vars(Login(Hop("box", "box", 22, "alice"), Credentials(password_env="LAB_PASSWORD"))))
