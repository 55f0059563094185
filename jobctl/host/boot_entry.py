"""The one line in the user's crontab that brings runs with `on_boot: resume` back when the host has been restarted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shlex
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from .locks import locked
from .program import argv_of

_TIMEOUT_S = 20.0
_TRIES = 5
_DAEMONS = ("cron", "crond", "anacron", "fcron", "busybox")


class NoCrontab(Exception):
    """There is no crontab for us here; the message says why."""


def ensure(root: Path) -> Optional[str]:
    """See to it that the crontab has exactly one line for the work_dir `root`. None, or what is in the way."""
    try:
        with locked(root / ".boot.lock"):
            _edit(lambda text: with_entry(text, root))
    except (NoCrontab, OSError, ValueError) as error:
        return "on_boot: resume cannot be had on this host: {}. After a restart: jobctl resume".format(error)
    if not _daemon_is_seen():
        return "on_boot: resume stands in the crontab, but no cron daemon is seen on this host; see that one is started"
    return None


def in_the_way(root: Path) -> Optional[str]:
    """What would keep `ensure` from being of use, as far as can be told without changing anything; or None."""
    try:
        entry(root)
        _read()
    except (NoCrontab, OSError, ValueError) as error:
        return str(error)
    return None if _daemon_is_seen() else "no cron daemon is seen on this host"


def remove(root: Path) -> None:
    """Take our line out. Raises NoCrontab, OSError."""
    _edit(lambda text: without_entry(text, root))


def with_entry(text: str, root: Path) -> str:
    """A crontab with our line, once, at its end; every other line as it was. Raises ValueError for a folder that no
    crontab can name."""
    line = entry(root)
    if line in text.splitlines() and text.count(_mark(root)) == 1:
        return text
    rest = without_entry(text, root)
    return rest + ("\n" if rest and not rest.endswith("\n") else "") + line + "\n"


def without_entry(text: str, root: Path) -> str:
    """A crontab without our line."""
    return "".join(line for line in text.splitlines(True) if not line.rstrip("\r\n").endswith(_mark(root)))


def entry(root: Path) -> str:
    """The line. In a crontab a % is the end of the command unless it is escaped (crontab(5))."""
    words = argv_of("boot", str(root))
    log = str(root / "boot.log")
    command = "{} >>{} 2>&1".format(" ".join(map(shlex.quote, words)), shlex.quote(log))
    if "\n" in command or "\r" in command:
        raise ValueError("a crontab cannot name a folder with a line break")
    return "@reboot {} {}".format(command.replace("%", "\\%"), _mark(root))


def _mark(root: Path) -> str:
    """What our line ends with: a comment to the shell. Another work_dir has another line."""
    return "# jobctl on_boot {}".format(hashlib.sha256(os.fsencode(str(root))).hexdigest()[:16])


def _edit(change: Callable[[str], str]) -> None:
    """Write the crontab until it reads as it should: nothing locks it against others, crontab(1) least of all."""
    with _alone():
        for _ in range(_TRIES):
            old = _read()
            new = change(old)
            if new == old:
                return
            _write(new)
    raise NoCrontab("what crontab takes is not what it gives back")


@contextmanager
def _alone() -> Iterator[None]:
    """One at a time among all work_dirs of this user. A folder is locked without a file being made; NFS may refuse."""
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        raise NoCrontab("this user has no name on this host") from None
    descriptor = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read() -> str:
    code, out, err = _crontab(["-l"])
    if code == 0:
        return out
    if _is_none(err):
        return ""
    raise NoCrontab("crontab -l says: {}".format(err.strip() or "exit code {}".format(code)))


def _is_none(err: str) -> bool:
    """Debian's cron and cronie: "no crontab for alice"; BusyBox: "crontab: can't open 'alice': No such file"."""
    return "no crontab for" in err or "can't open" in err


def _write(text: str) -> None:
    code, _, err = _crontab(["-"], text) if text else _crontab(["-r"])
    if code != 0 and not (_is_none(err) and not text):  # somebody else has removed it a moment ago
        raise NoCrontab("crontab says: {}".format(err.strip() or "exit code {}".format(code)))


def _crontab(arguments: List[str], text: str = "") -> Tuple[int, str, str]:
    environ: Dict[str, str] = dict(os.environ, LC_ALL="C")
    try:
        done = subprocess.run(
            ["crontab"] + arguments,
            input=os.fsencode(text),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=_TIMEOUT_S,
            env=environ,
        )
    except FileNotFoundError:
        raise NoCrontab("it has no crontab") from None
    except subprocess.TimeoutExpired:
        raise NoCrontab("crontab does not answer") from None
    return done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)


def _daemon_is_seen() -> bool:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/{}/comm".format(name)) as handle:
                    if handle.read().strip() in _DAEMONS:
                        return True
            except OSError:
                continue
    return False
