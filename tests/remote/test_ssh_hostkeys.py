"""Host keys are checked on every hop: known_hosts as sshd(8) describes it, and what the user is told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobctl.errors import ChangedHostKey, HostError, UnknownHostKey
from jobctl.remote.ssh import SshSettings, Tuning, make_ssh_transport
from jobctl.remote.ssh.hostkeys import HostKey, judge, parse_known_hosts
from jobctl.remote.ssh.transport import SshTransport
from tests.sshd import Sshd, make_key, running_sshd

OURS = HostKey("ssh-ed25519", b"ours")
OTHER = HostKey("ssh-ed25519", b"other")
RSA = HostKey("ssh-rsa", b"rsa")


def line(names: str, key: HostKey, marker: str = "") -> str:
    return f"{marker} {names} {key.kind} {key.base64} a comment".strip()


CASES = [
    ("nothing", [], "box", "unknown"),
    ("the key", [line("box", OURS)], "box", "known"),
    ("other host", [line("xbox", OURS)], "box", "unknown"),
    ("other key", [line("box", OTHER)], "box", "changed"),
    ("both keys", [line("box", OTHER), line("box", OURS)], "box", "known"),
    ("only a key of another type", [line("box", RSA)], "box", "changed"),
    ("upper case", [line("BOX.Example", OURS)], "box.example", "known"),
    ("list", [line("a,box,10.0.0.5", OURS)], "box", "known"),
    ("wildcards", [line("*.lab,b?x", OURS)], "box", "known"),
    ("negated", [line("!box,*", OURS)], "box", "unknown"),
    ("revoked", [line("box", OURS), line("*", OURS, "@revoked")], "box", "revoked"),
    ("another key revoked", [line("box", OURS), line("*", OTHER, "@revoked")], "box", "known"),
    ("authority", [line("*", OURS, "@cert-authority")], "box", "unknown"),
    ("comments and rubbish", ["# box", "", "box", "box ssh-rsa !!!", "@", line("box", OURS)], "box", "known"),
    ("crlf", [line("box", OURS) + "\r"], "box", "known"),
    ("bad hash", [line("|1|x", OURS), line("|1|!|!", OURS)], "box", "unknown"),
]


@pytest.mark.parametrize(("lines", "name", "word"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_known_hosts_says(lines: list[str], name: str, word: str) -> None:
    assert judge(parse_known_hosts("\n".join(lines), "file"), [name], OURS).word == word


PORT_CASES = [
    (line("[box]:2222", OURS), "known"),
    (line("[box]:2222", OTHER), "changed"),
    (line("[box]:22", OURS), "unknown"),
    (line("[*.x],[b*]:2222", OURS), "known"),
    (line("box", OURS), "known"),
    (line("box", OTHER), "unknown"),
]


@pytest.mark.parametrize(("text", "word"), PORT_CASES)
def test_a_host_on_another_port_is_looked_up_with_its_port_first(text: str, word: str) -> None:
    assert judge(parse_known_hosts(text, "file"), ["[box]:2222", "box"], OURS).word == word


def test_hashed_names_made_by_ssh_keygen_are_found(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    kind, base64 = (tmp_path / "key.pub").read_text().split()[:2]
    file = tmp_path / "known_hosts"
    file.write_text(f"box {kind} {base64}\n[box]:2222 {kind} {base64}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    entries = list(parse_known_hosts(file.read_text(), str(file)))
    assert "box" not in file.read_text()
    assert [[entry.matches(name) for entry in entries] for name in ("box", "[box]:2222", "pox")] == [
        [True, False],
        [False, True],
        [False, False],
    ]


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    make_key(tmp_path / "key", "rsa")
    (entry,) = parse_known_hosts("box " + (tmp_path / "key.pub").read_text(), "")
    said = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True)
    assert entry.key.fingerprint in said.stdout


@contextmanager
def connected(settings: SshSettings) -> Iterator[SshTransport]:
    transport = make_ssh_transport(settings, tuning=Tuning(attempts=1))
    try:
        yield transport
    finally:
        transport.close()


def refusal(settings: SshSettings) -> HostError:
    with connected(settings) as transport, pytest.raises(HostError) as raised:
        transport.run(["touch", "pwned"])
    return raised.value


@pytest.mark.parametrize("before", [None, "", "# no newline at the end", "other ssh-ed25519 AAAA\n"])
def test_an_unknown_key_is_refused_and_the_printed_command_adds_it(
    sshd: Sshd, weird_path: Path, before: str | None
) -> None:
    file = weird_path / "new folder" / "known_hosts"
    if before is not None:
        file.parent.mkdir()
        file.write_text(before)
    settings = sshd.host(known_hosts=str(file))
    error = refusal(settings)
    assert isinstance(error, UnknownHostKey)
    assert sshd.name_in_known_hosts in error.what and "SHA256:" in str(error.value) and "ssh-keygen -lf" in error.hint
    assert file.exists() == (before is not None)
    subprocess.run(["sh", "-c", error.next_command], check=True)
    assert file.read_text() == (before or "") + ("\n" if before == "# no newline at the end" else "") + (
        f"{sshd.name_in_known_hosts} {sshd.public_host_key}\n"
    )
    with connected(settings) as transport:
        assert transport.run(["true"]).exit_code == 0


def test_a_changed_key_is_refused_loudly_and_the_printed_command_removes_it(sshd: Sshd, weird_path: Path) -> None:
    make_key(weird_path / "other")
    kind, base64 = (weird_path / "other.pub").read_text().split()[:2]
    file = weird_path / "known_hosts"
    file.write_text(f"# comment\n{sshd.name_in_known_hosts} {kind} {base64}\n")
    settings = sshd.host(known_hosts=str(file))
    error = refusal(settings)
    assert isinstance(error, ChangedHostKey)
    assert "HAS CHANGED" in error.what and error.where == f"{file}, line 2"
    subprocess.run(["sh", "-c", error.next_command], check=True, capture_output=True)
    assert isinstance(refusal(settings), UnknownHostKey)


def test_a_revoked_key_is_refused_though_it_is_known(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(sshd.known_hosts.read_text() + f"@revoked * {sshd.public_host_key}\n")
    error = refusal(sshd.host(known_hosts=str(file)))
    assert isinstance(error, ChangedHostKey) and "REVOKED" in error.what and "line 2" in error.where


def test_the_key_type_that_is_known_is_asked_for(tmp_path: Path) -> None:
    make_key(tmp_path / "rsa", "rsa")
    with running_sshd(tmp_path / "server", [f"HostKey {tmp_path / 'rsa'}"]) as server:
        rsa = " ".join((tmp_path / "rsa.pub").read_text().split()[:2])
        server.known_hosts.write_text(f"{server.name_in_known_hosts} {rsa}\n")
        with connected(server.host()) as transport:
            assert transport.run(["true"]).exit_code == 0


def test_a_host_key_alias_is_the_name_in_known_hosts(sshd: Sshd, tmp_path: Path) -> None:
    config, file = tmp_path / "config", tmp_path / "known hosts"
    config.write_text(f'Host 127.0.0.1\n  HostKeyAlias lab-key\n  UserKnownHostsFile "{file}"\n')
    file.write_text(f"lab-key {sshd.public_host_key}\n")
    with connected(sshd.host(known_hosts=None, ssh_config=str(config))) as transport:
        assert transport.run(["true"]).exit_code == 0


def test_strict_host_key_checking_cannot_be_switched_off(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n")
    assert isinstance(refusal(sshd.host(known_hosts=None, ssh_config=str(config))), UnknownHostKey)
    assert not (sshd.home / "pwned").exists()
