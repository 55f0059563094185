"""Gets the host program running on a host that has only Python: in one round trip when it is there already.

The command is one line that any Python runs: it reads `bootstrap_source.py` from standard input and executes it. That
text checks the zipapp against its hash, asks for it where it is missing or broken, and becomes the host's side of the
channel.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import re
import threading
import zipfile
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jobctl.errors import ConnectionLost, HostError, HostProgramError, NoSpace, PythonMissing
from jobctl.host.frames import SILENCE_S
from jobctl.remote.answers import misunderstood
from jobctl.remote.transport import ByteStream, Transport

_MAGIC = b"\n\0JOBCTL "
_NOISE_LIMIT = 1 << 20  # a login shell's greeting may come before our first word, but not without end
_ENOSPC, _EDQUOT = 28, 122  # Linux's numbers: the host's, whatever this machine is
_WHICH_PYTHON = "jobctl needs Python 3.7 or newer there, nothing else; name another with `python:` in the inventory"


@dataclass(frozen=True)
class HostProgram:
    """The zipapp: its bytes and their SHA-256."""

    data: bytes
    sha256: str


@functools.cache
def make_host_program() -> HostProgram:
    """`jobctl/host/*.py` as one zip, the same bytes for the same sources on every laptop."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(
            archive, "__main__.py", b"import sys\nfrom jobctl_host.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
        )
        folder = resources.files("jobctl.host")
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.name.endswith(".py"):
                _add(archive, f"jobctl_host/{entry.name}", entry.read_bytes())
    data = buffer.getvalue()
    return HostProgram(data, hashlib.sha256(data).hexdigest())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


@dataclass(frozen=True)
class Started:
    """A host program that answers: frames on `stream` from here on, after `rest`, which came already."""

    stream: ByteStream
    rest: bytes


def bootstrap(transport: Transport, *, root: str, python: str) -> Started:
    """Start the host program below `root`.

    Raises PythonMissing, NoSpace, HostProgramError, and what the transport raises.
    """
    source = (resources.files("jobctl.remote") / "bootstrap_source.py").read_bytes()
    line = f'import sys;channel=getattr(sys.stdin,"buffer",sys.stdin);exec(channel.read({len(source)}))'
    program = make_host_program()
    want = {"root": root, "sha256": program.sha256, "size": len(program.data)}
    stream = transport.open([python, "-c", line])
    greeting = _Greeting(stream, transport.name, python)
    try:
        # It may have ended already because there is no Python: what it said is read below.
        with contextlib.suppress(ConnectionLost):
            stream.write(source + json.dumps(want).encode("ascii") + b"\n")
        word, fields = greeting.next_word()
        if word == "need":
            stream.write(program.data)
            word, fields = greeting.next_word()
        greeting.end()
        if word != "ready":
            raise _refusal(transport.name, word, fields, python)
        return Started(stream, greeting.rest)
    except BaseException:
        greeting.end()
        stream.close()
        raise


class _Greeting:
    """Finds our words in what comes first, whatever the login shell printed before them.

    Each word must come within SILENCE_S: after that the stream is closed, which ends every wait on it.
    """

    def __init__(self, stream: ByteStream, host: str, python: str) -> None:
        self._stream = stream
        self._host = host
        self._python = python
        self.rest = b""
        """What came after the last word: the beginning of the first frames."""
        self._late = threading.Event()
        self._timer = self._start_timer()

    def next_word(self) -> tuple[str, dict[str, Any]]:
        self.end()
        self._timer = self._start_timer()
        while _MAGIC not in self.rest:
            self._read_more()
        self.rest = self.rest.partition(_MAGIC)[2]
        while b"\n" not in self.rest:
            self._read_more()
        text, _, self.rest = self.rest.partition(b"\n")
        return self._parse(text)

    def end(self) -> None:
        """No word is waited for any more."""
        self._timer.cancel()

    def _start_timer(self) -> threading.Timer:
        def give_up() -> None:
            self._late.set()
            self._stream.close()

        timer = threading.Timer(SILENCE_S, give_up)
        timer.daemon = True
        timer.start()
        return timer

    def _parse(self, text: bytes) -> tuple[str, dict[str, Any]]:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or [type(part) for part in found] != [str, dict]:
            raise misunderstood(self._host, repr(text[:200]))
        return found[0], found[1]

    def _read_more(self) -> None:
        if len(self.rest) > _NOISE_LIMIT:
            raise HostProgramError(
                "the login shell of the host prints without end before our program starts",
                where=self._host,
                value=self.rest[:200].decode("utf-8", "replace"),
                hint="its start-up files must print nothing when no terminal is there",
            )
        try:
            piece = self._stream.read(64 << 10)
        except ConnectionLost:
            if not self._late.is_set():
                raise
            piece = b""
        if self._late.is_set():
            raise ConnectionLost(
                f"Python on the host did not begin to talk within {SILENCE_S:.0f} s",
                where=self._host,
                value=self.rest[-200:].decode("utf-8", "replace").strip() or None,
                hint="the host may be overloaded or its disk may hang; `python:` must name a Python",
            )
        if not piece:
            exit_code, stderr = self._stream.finish()
            raise _no_greeting(
                self._host, self._python, exit_code, stderr.decode("utf-8", "replace").strip(), self.rest
            )
        self.rest += piece


def _no_greeting(host: str, python: str, exit_code: int | None, stderr: str, seen: bytes) -> HostError:
    # bash, dash, zsh and fish exit with 127; csh with 1.
    if exit_code in (126, 127) or ("Traceback" not in stderr and re.search(r"not found|No such file", stderr)):
        return PythonMissing(
            f"the host has no {python!r}",
            where=host,
            value=stderr[-300:] or None,
            hint=_WHICH_PYTHON,
        )
    said = stderr[-500:] or seen[-500:].decode("utf-8", "replace").strip()
    return HostProgramError(
        f"the host program did not start (exit code {exit_code})",
        where=host,
        value=said or None,
        hint=f"`{python} -c pass` must work in a login without terminal",
    )


def _refusal(host: str, word: str, fields: dict[str, Any], python: str) -> HostError:
    if word == "old-python":
        return PythonMissing(
            f"Python on the host is too old: {python} is {fields.get('version')}",
            where=host,
            value=fields.get("python"),
            hint=_WHICH_PYTHON,
        )
    if word == "not-linux":
        return HostError("the host must be Linux", where=host, value=fields.get("platform"))
    if fields.get("errno") in (_ENOSPC, _EDQUOT):
        return NoSpace(
            "no space left on the host",
            where=f"{host}: {fields.get('path')}",
            hint="free some, or set another `work_dir:` in the inventory",
            next_command=f"ssh {host} df -h",
        )
    return HostProgramError(
        f"cannot write the host program: {fields.get('message', word)}",
        where=f"{host}: {fields.get('path')}",
        hint="`work_dir:` in the inventory must be a folder that this user may write on the host",
    )
