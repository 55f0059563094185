"""Facts for `jobctl doctor`: the login, Python, disks, limits, ports, of a host with or without cards."""

from __future__ import annotations

import grp
import json
import locale
import os
import platform
import pwd
import resource
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional

from . import boot_entry, lease_dir, ports
from .files import Json
from .tool import ask

_VENV = "import json, sys; import venv, ensurepip; print(json.dumps(sys.version.split()[0]))"
_VENV_TIMEOUT_S = 15.0


def _user(asked: Any) -> Json:
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = None
    return {"uid": os.geteuid(), "name": name, "groups": sorted(_group_name(gid) for gid in set(os.getgroups()))}


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _machine(asked: Any) -> Json:
    marks = ("/.dockerenv", "/run/.containerenv")  # Docker's and Podman's
    return {
        "arch": platform.machine(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "libc": _libc(),
        "in_container": any(os.path.exists(mark) for mark in marks),
    }


def _libc() -> Optional[str]:
    """Such as `glibc 2.36`; None on a host with another C library."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        return None


def _python(asked: Any) -> Json:
    """The interpreter that runs us: the inventory's `python`."""
    return {"executable": sys.executable, "version": platform.python_version()}


def _venv(asked: Any) -> Json:
    """The interpreter that is to make the job's venv, and whether it can."""
    name = asked.wanted.get("python") or "python3"
    path = shutil.which(os.path.expanduser(name))
    if path is None:
        return {"name": name, "path": None, "version": None, "error": "not on this host"}
    said = ask([path, "-I", "-c", _VENV], _VENV_TIMEOUT_S)
    error = None if said.exit_code == 0 else (said.err.strip().splitlines() or ["it does not run"])[-1]
    return {"name": name, "path": path, "version": json.loads(said.out) if error is None else None, "error": error}


def _work_dir(asked: Any) -> Json:
    """Room and right to write where everything goes."""
    info = os.statvfs(asked.root)
    return {
        "path": asked.root,
        "free_bytes": info.f_bavail * info.f_frsize,
        "total_bytes": info.f_blocks * info.f_frsize,
        "free_inodes": info.f_favail,
        "total_inodes": info.f_files,
        "error": _cannot_write(asked.root),
    }


def _cannot_write(folder: str) -> Optional[str]:
    """Why no file can be written there; a quota shows only when one is."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".jobctl-doctor-") as handle:
            handle.write(b"\0" * 65536)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return None


def _home(asked: Any) -> Json:
    path = os.path.expanduser("~")
    return {"path": path, "error": _cannot_write(path) if os.path.isdir(path) else "it is not there"}


def _tmp(asked: Any) -> Json:
    path = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    error = _cannot_write(path) if os.path.isdir(path) else "it is not there"
    return {"path": path, "error": error, "noexec": bool(os.statvfs(path).f_flag & os.ST_NOEXEC) if not error else None}


def _locale(asked: Any) -> Json:
    names = {name: os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)}
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
        error = None
    except locale.Error:
        error = "the host has no such locale"
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return {"names": names, "encoding": sys.getfilesystemencoding(), "error": error}


def _limits(asked: Any) -> Json:
    """Soft and hard; -1 is none."""
    kinds = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC, "memlock": resource.RLIMIT_MEMLOCK}
    return {name: list(resource.getrlimit(kind)) for name, kind in kinds.items()}


def _shm(asked: Any) -> Json:
    info = os.statvfs("/dev/shm")  # noqa: S108
    return {
        "total_bytes": info.f_blocks * info.f_frsize,
        "free_bytes": info.f_bavail * info.f_frsize,
        "writable": os.access("/dev/shm", os.W_OK),  # noqa: S108
    }


def _lease_dir(asked: Any) -> Json:
    """Whether all users can agree on cards there. One that is not there is not made: the first run does that."""
    path = os.path.expanduser(asked.wanted.get("lease_dir") or lease_dir.DEFAULT)
    mode, error = None, None
    if os.path.lexists(path):
        mode = "{:o}".format(stat.S_IMODE(os.lstat(path).st_mode))
        try:
            lease_dir.prepare(path)
        except lease_dir.BadLeaseDir as bad:
            error = str(bad)
    elif not os.access(_first_that_is(path), os.W_OK):
        error = "{} cannot be made".format(path)
    return {"path": path, "there": mode is not None, "mode": mode, "error": error}


def _first_that_is(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _ports(asked: Any) -> Json:
    """The block of ports that a run would have."""
    return ports.survey(Path(os.path.expanduser(asked.wanted.get("lease_dir") or lease_dir.DEFAULT)))


def _crontab(asked: Any) -> Json:
    """Whether a run can be brought back after a restart of the host; asked only where a job wants that."""
    if not asked.wanted.get("on_boot"):
        return {"error": None, "others_are_hidden": False}
    # hidepid of /proc: a daemon of root is not seen, whether or not it runs.
    return {"error": boot_entry.in_the_way(Path(asked.root)), "others_are_hidden": not os.path.isdir("/proc/1")}


PROBES: Dict[str, Any] = {
    "user": _user,
    "machine": _machine,
    "python": _python,
    "venv": _venv,
    "work_dir": _work_dir,
    "home": _home,
    "tmp": _tmp,
    "locale": _locale,
    "limits": _limits,
    "shm": _shm,
    "lease_dir": _lease_dir,
    "ports": _ports,
    "crontab": _crontab,
}
