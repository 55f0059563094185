"""The demo's SSH host, spoken to by OpenSSH's client and by paramiko."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import paramiko
import pytest

from jobctl.demo.ssh_host import SshHost, make_login_environment


@pytest.fixture
def server(weird_path: Path) -> Iterator[tuple[SshHost, subprocess.Popen[bytes]]]:
    root = weird_path / "demo"
    argv = [sys.executable, "-m", "jobctl.demo.ssh_host", "--root", str(root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        yield SshHost(**json.loads(process.stdout.readline())), process
        if not process.stdin.closed:
            process.stdin.close()
        assert process.wait(20) == 0


@pytest.fixture
def host(server: tuple[SshHost, subprocess.Popen[bytes]]) -> SshHost:
    return server[0]


@pytest.fixture
def client(host: SshHost) -> Iterator[paramiko.SSHClient]:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.load_host_keys(host.known_hosts)
        connect(client, host, host.identity_file)
        yield client


def connect(client: paramiko.SSHClient, host: SshHost, identity_file: str) -> None:
    client.connect(
        host.address,
        host.port,
        host.user,
        key_filename=identity_file,
        allow_agent=False,
        look_for_keys=False,
        timeout=20,
    )


def run(client: paramiko.SSHClient, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    transport = client.get_transport()
    assert transport is not None
    channel = transport.open_session()
    channel.settimeout(20)
    channel.exec_command(command)
    channel.sendall(stdin)
    channel.shutdown_write()
    stdout, stderr = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
    return channel.recv_exit_status(), stdout, stderr


def test_bytes_go_through_as_they_are_and_half_close_is_the_end_of_input(client: paramiko.SSHClient) -> None:
    data = bytes(range(256)) * 4096
    assert run(client, "cat; echo done >&2; exit 7", data) == (7, data, b"done\n")


def test_a_command_is_in_a_home_of_its_own(client: paramiko.SSHClient, host: SshHost) -> None:
    code, told, _ = run(client, 'printf %s "$HOME"; printf %s "|$PWD"')
    assert (code, told.decode()) == (0, f"{host.home}|{host.home}")


def test_an_input_that_is_not_read_does_not_hold_up_the_command(client: paramiko.SSHClient) -> None:
    code, told, _ = run(client, "exec <&-; echo gone", b"x" * 10_000)
    assert (code, told) == (0, b"gone\n")


def test_a_command_that_dies_of_a_signal_says_so(client: paramiko.SSHClient) -> None:
    code, _, _ = run(client, "kill -KILL $$")
    assert code == -1  # paramiko's word for "no exit status, a signal"


def test_commands_run_side_by_side_on_one_connection(client: paramiko.SSHClient) -> None:
    transport = client.get_transport()
    assert transport is not None
    waiting = transport.open_session()
    waiting.exec_command("read line; echo got $line")
    assert run(client, "echo here")[1] == b"here\n"
    waiting.sendall(b"it\n")
    assert waiting.makefile("rb").read() == b"got it\n"


def test_nobody_gets_in_with_another_key(host: SshHost, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(stranger)
    with paramiko.SSHClient() as client:
        client.load_host_keys(host.known_hosts)
        with pytest.raises(paramiko.AuthenticationException):
            connect(client, host, str(stranger))


def test_its_private_key_is_for_its_owner_only(host: SshHost) -> None:
    assert Path(host.identity_file).stat().st_mode & 0o777 == 0o600
    assert Path(host.identity_file).parent.stat().st_mode & 0o777 == 0o700


def test_it_is_gone_with_the_process_that_started_it(server: tuple[SshHost, subprocess.Popen[bytes]]) -> None:
    _, process = server
    assert process.stdin is not None
    process.stdin.close()  # what the system does for a process that was killed
    assert process.wait(20) == 0


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client here")
def test_openssh_trusts_the_pinned_key_and_passes_exit_codes_on(host: SshHost, tmp_path: Path) -> None:
    # ssh takes file names apart at spaces and has escapes of its own, so the weird folder is hidden behind a link.
    (tmp_path / "link").symlink_to(Path(host.identity_file).parent)
    options = [f"UserKnownHostsFile={tmp_path}/link/known_hosts", "GlobalKnownHostsFile=none", "BatchMode=yes"]
    argv = ["ssh", "-F", "none", "-i", f"{tmp_path}/link/id_ed25519", "-p", str(host.port)]
    argv += [
        word for option in [*options, "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"] for word in ("-o", option)
    ]
    done = subprocess.run(
        [*argv, f"{host.user}@{host.address}", "cat; exit 3"], input=b"\0\xff\n", capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (3, b"\0\xff\n"), done.stderr


def test_a_login_has_no_variables_of_ours_but_those_for_packages(tmp_path: Path) -> None:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").touch()
    outer = {"HOME": str(tmp_path), "PATH": os.pathsep.join(["/usr/bin", f"{sys.prefix}/bin"]), "PYTHONPATH": "/x"}
    outer |= {"SECRET": "s", "PIP_INDEX_URL": "https://mirror.example/simple", "https_proxy": "http://proxy.example"}
    given = make_login_environment(outer, Path("/demo/home"))
    assert given.keys() & {"SECRET", "PYTHONPATH", "VIRTUAL_ENV"} == set()
    assert given["HOME"] == "/demo/home"
    assert given["PATH"] == "/usr/bin"
    assert given["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert given["https_proxy"] == "http://proxy.example"
    assert given["PIP_CACHE_DIR"] == str(tmp_path / ".cache/pip")
    assert given["PIP_CONFIG_FILE"] == str(tmp_path / ".config/pip/pip.conf")
