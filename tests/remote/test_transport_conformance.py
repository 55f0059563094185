"""What every carrier does, whichever it is: this machine, paramiko and OpenSSH's client to a real OpenSSH server."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.errors import ConnectionLost, HostError
from jobctl.remote.local import LocalTransport
from jobctl.remote.ssh import make_ssh_transport
from jobctl.remote.ssh.openssh import OpensshTransport
from jobctl.remote.transport import Transport
from tests.conftest import WEIRD_NAME
from tests.sshd import Sshd

PYTHON = sys.executable


@pytest.fixture(params=["local", "paramiko", "openssh"])
def transport(request: pytest.FixtureRequest, sshd: Sshd) -> Iterator[Transport]:
    if request.param == "local":
        yield LocalTransport("box", {"HOME": str(sshd.home), "PATH": os.defpath})
        return
    with contextlib.closing(make_ssh_transport(sshd.host())) as first:
        if request.param == "paramiko":
            yield first
            return
        made = first.another()
        assert isinstance(made, OpensshTransport)
        with contextlib.closing(made):
            yield made


def test_output_exit_code_and_errors_come_apart(transport: Transport) -> None:
    done = transport.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert done.argv == ("sh", "-c", "echo out; echo err >&2; exit 7")


def test_home_is_the_home_of_the_login(transport: Transport, sshd: Sshd) -> None:
    assert transport.run(["sh", "-c", 'printf %s "$HOME"']).stdout.decode() == str(sshd.home)


WORDS = [WEIRD_NAME, "", "-n", "\\", "!!", "'", "a\n", "$(touch pwned)", "中文", "\udcff", "*", "%s", "x" * 5000]


def test_every_word_arrives_as_it_was(transport: Transport) -> None:
    code = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    done = transport.run([PYTHON, "-c", code, *WORDS])
    assert done.stdout == b"\0".join(map(os.fsencode, WORDS))


def test_bytes_go_through_unchanged(transport: Transport) -> None:
    data = bytes(range(256)) * 10
    assert transport.run(["cat"], stdin=data).stdout == data


def test_much_goes_in_and_out_at_the_same_time(transport: Transport) -> None:
    data = os.urandom(1 << 20) * 6
    done = transport.run(["sh", "-c", "tee /dev/stderr"], stdin=data)
    assert done.stdout == data
    assert done.stderr == data[-65536:]


def test_a_program_that_ignores_its_input_is_no_failure(transport: Transport) -> None:
    assert transport.run(["sh", "-c", "exec 0<&-; exit 4"], stdin=b"x" * 5_000_000).exit_code == 4


def test_a_signal_is_a_negative_exit_code_or_not_known(transport: Transport) -> None:
    """OpenSSH's client (9.2) exits with 255 then, as it does when the connection is lost."""
    if isinstance(transport, OpensshTransport):
        with pytest.raises(ConnectionLost, match="nobody said how sh ended"):
            transport.run(["sh", "-c", "kill -KILL $$"])
        return
    assert transport.run(["sh", "-c", "kill -KILL $$"]).exit_code == -9


@pytest.mark.parametrize(("argv", "code"), [(["no such program"], 127), (["/"], 126)])
def test_a_program_that_cannot_be_started_says_so(transport: Transport, argv: list[str], code: int) -> None:
    done = transport.run(argv)
    assert done.exit_code == code and argv[0].encode() in done.stderr


def test_a_program_that_takes_too_long_is_given_up(transport: Transport) -> None:
    with pytest.raises(HostError, match=r"sleep did not end within 0\.3 s"):
        transport.run(["sleep", "60"], timeout_s=0.3)
    assert transport.run(["echo", "next"]).stdout == b"next\n"


def test_a_program_that_closes_its_output_is_waited_for(transport: Transport) -> None:
    assert transport.run(["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 5"]).exit_code == 5


def test_a_stream_is_a_conversation(transport: Transport) -> None:
    stream = transport.open(["cat"])
    for text in (b"one", b"two", b"three" * 1000):
        stream.write(text)
        got = b""
        while len(got) < len(text):
            got += stream.read(len(text) - len(got))
        assert got == text
    stream.close()


def test_a_read_gives_no_more_than_was_asked_for(transport: Transport) -> None:
    stream = transport.open(["printf", "abcdef"])
    assert [stream.read(1), stream.read(2)] == [b"a", b"bc"]
    rest = b""
    while data := stream.read(100):
        rest += data
    assert rest == b"def" and stream.read(1) == b""
    assert stream.finish() == (0, b"")
    stream.close()


def test_much_on_standard_error_does_not_hold_up_the_rest(transport: Transport) -> None:
    stream = transport.open(["sh", "-c", "head -c 5000000 /dev/zero >&2; echo done"])
    assert stream.read(100) == b"done\n"
    assert stream.read(100) == b""
    code, stderr = stream.finish()
    assert code == 0 and len(stderr) == 65536
    stream.close()


def test_writing_to_a_program_that_has_ended_is_an_error(transport: Transport) -> None:
    stream = transport.open(["true"])
    assert stream.read(1) == b""
    stream.finish()
    with pytest.raises(ConnectionLost):
        for _ in range(100):
            stream.write(b"x" * 100_000)
    stream.close()


def test_closing_wakes_a_reader_in_another_thread(transport: Transport) -> None:
    stream = transport.open(["sleep", "60"])
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(stream.read(1)))
    reader.start()
    time.sleep(0.1)
    stream.close()
    reader.join(20)
    assert seen == [b""]


def test_closing_wakes_a_writer_in_another_thread(transport: Transport) -> None:
    stream = transport.open(["sleep", "60"])
    failed = threading.Event()

    def write() -> None:
        with contextlib.suppress(ConnectionLost):
            stream.write(b"x" * 50_000_000)
        failed.set()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.1)
    stream.close()
    assert failed.wait(20)
    writer.join()


def test_a_program_reads_end_of_file_when_we_hang_up(transport: Transport, tmp_path: Path) -> None:
    stream = transport.open(["sh", "-c", 'cat; echo "ended" > "$1"', "sh", str(tmp_path / "file")])
    stream.write(b"x")
    assert stream.read(1) == b"x"
    stream.close()
    for _ in range(400):
        if (tmp_path / "file").exists():
            break
        time.sleep(0.05)
    assert (tmp_path / "file").exists()


def test_streams_do_not_stand_in_each_others_way(transport: Transport) -> None:
    idle = transport.open(["cat"])
    busy = transport.open(["head", "-c", "5000000", "/dev/zero"])
    idle.write(b"x")
    assert idle.read(1) == b"x"
    total = 0
    while data := busy.read(65536):
        total += len(data)
    assert total == 5_000_000 and busy.finish()[0] == 0
    idle.close()
    busy.close()


def test_closing_twice_does_no_harm(transport: Transport) -> None:
    stream = transport.open(["true"])
    stream.close()
    stream.close()
    transport.close()
    transport.close()


def test_an_empty_argv_is_a_mistake_of_the_caller(transport: Transport) -> None:
    with pytest.raises(ValueError):
        transport.open([])
