"""The folder in which all users of a host agree on who has which card and which ports, and its files.

A lease is a flock on a file there: the kernel frees it when the holder dies, however it dies. The folder is open to
everybody (sticky, as /tmp), so nothing in it is trusted: no link is followed, a note is only shown.
"""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, List, NamedTuple, Optional

from .files import Json
from .locks import open_shared_lock_file, try_lock

DEFAULT = "/var/tmp/jobctl-leases"  # noqa: S108
"""Not below /tmp or /dev/shm: systemd-tmpfiles takes from /tmp what is 10 days old, logind's RemoveIPC empties /dev/shm
when a user logs out. /var/tmp is swept after 30 days: a holder touches its files now and then, see `touch`."""

TOUCH_EVERY_S = 3600.0
_LARGEST_NOTE = 4096
_MODE_PATIENCE_S = 2.0
_OPEN_TO_ALL = stat.S_ISVTX | 0o777


class BadLeaseDir(Exception):
    """The folder cannot be used; the message says why, and what to do."""


class Note(NamedTuple):
    """What a holder says of itself. Written by anybody: texts are short and without control characters."""

    run_id: Optional[str] = None
    by: Optional[str] = None
    since: Optional[float] = None
    run_dir: Optional[str] = None
    wants: Optional[Json] = None
    free_since: Optional[float] = None  # nobody holds it: its last holder let go of it then


def prepare(path: Optional[str]) -> Path:
    """The folder, made if it is not there. `path` None: the default. Raises BadLeaseDir."""
    folder = Path(os.path.expanduser(path or DEFAULT))
    hint = "`lease_dir` of the host in the inventory names another folder"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir(0o700)
            folder.chmod(_OPEN_TO_ALL)  # not with mkdir, which the umask would cut
        except FileExistsError:
            pass
        _wait_for_its_mode(folder)
        found = os.lstat(str(folder))
    except OSError as error:
        raise BadLeaseDir("the lease folder {} cannot be made: {}; {}".format(folder, error.strerror, hint)) from None
    if not stat.S_ISDIR(found.st_mode):
        raise BadLeaseDir("the lease folder {} is a link or a file, and is not used; {}".format(folder, hint))
    if found.st_mode & _OPEN_TO_ALL != _OPEN_TO_ALL:
        mode = "{:o}".format(stat.S_IMODE(found.st_mode))
        raise BadLeaseDir(
            "the lease folder {} has mode {}, so not everybody can hold cards, or anybody can take them away; "
            "its owner or root: chmod 1777 {}".format(folder, mode, folder)
        )
    return folder


def _wait_for_its_mode(folder: Path) -> None:
    """Another run's supervisor may be between its mkdir and its chmod."""
    deadline = time.monotonic() + _MODE_PATIENCE_S
    while stat.S_IMODE(os.lstat(str(folder)).st_mode) == 0o700 and time.monotonic() < deadline:
        time.sleep(0.01)


def take(path: Path) -> Optional[int]:
    """A descriptor that holds the lease on `path`; None while somebody else has it. Raises BadLeaseDir."""
    while True:
        try:
            descriptor = open_shared_lock_file(path)
        except OSError as error:
            raise BadLeaseDir("the lease {} cannot be opened: {}".format(path, error.strerror)) from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise BadLeaseDir("the lease {} is not a plain file of its own, and is not used".format(path))
            if not try_lock(descriptor):
                os.close(descriptor)
                return None
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # removed or replaced meanwhile: a lock that nobody else would meet


def is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` is still the open file."""
    try:
        there = os.lstat(str(path))
    except OSError:
        return False
    ours = os.fstat(descriptor)
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def write_note(descriptor: int, note: Json) -> None:
    """Say who holds it. A disk that is full leaves the lease without a name, but held."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode("ascii")[:_LARGEST_NOTE], 0)
    except OSError:
        pass


def let_go(descriptors: List[int]) -> None:
    """End the leases. A holder that said who it was leaves when it let go; one that only tried leaves what it met."""
    for descriptor in descriptors:
        note = _read(descriptor)
        if note.get("pid") == os.getpid():
            write_note(descriptor, {"free_since": round(time.time(), 3)})
        elif "free_since" not in note:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
        os.close(descriptor)


def _read(descriptor: int) -> Json:
    try:
        found = json.loads(os.pread(descriptor, _LARGEST_NOTE, 0).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def touch(descriptors: List[int]) -> None:
    """Make the files young, for the cleaner of /var/tmp."""
    for descriptor in descriptors:
        try:
            os.utime(descriptor)
        except OSError:  # somebody else's file: a write of nothing new makes it young just as well
            _rewrite(descriptor)


def _rewrite(descriptor: int) -> None:
    try:
        os.pwrite(descriptor, os.pread(descriptor, _LARGEST_NOTE, 0), 0)
    except OSError:
        pass


def read_note(path: Path) -> Note:
    """What the holder wrote; an empty note where that cannot be read or is none."""
    try:
        descriptor = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Note()
    try:
        found = json.loads(os.read(descriptor, _LARGEST_NOTE + 1).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return Note()
    finally:
        os.close(descriptor)
    return parse_note(found)


def parse_note(found: object) -> Note:
    """The parts of a note that can be believed to be what they should be."""
    if not isinstance(found, dict):
        return Note()
    run_dir, wants = found.get("run_dir"), found.get("wants")
    return Note(
        run_id=_short(found.get("run_id")),
        by=_short(found.get("by")),
        since=_time(found.get("since")),
        run_dir=run_dir if isinstance(run_dir, str) and run_dir.startswith("/") and "\0" not in run_dir else None,
        wants=wants if isinstance(wants, dict) else None,
        free_since=_time(found.get("free_since")),
    )


def _time(found: Any) -> Optional[float]:
    is_time = isinstance(found, (int, float)) and not isinstance(found, bool) and 0 <= found < 1e11
    return float(found) if is_time else None


def _short(found: object) -> Optional[str]:
    if not isinstance(found, str) or not found:
        return None
    return "".join(letter if letter.isprintable() else "?" for letter in found[:100])
