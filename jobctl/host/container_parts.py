"""What a run's containers get of the host: folders, groups, and what of the login's environment holds inside too."""

from __future__ import annotations

import configparser
import os
from contextlib import suppress
from pathlib import Path
from typing import Dict, List, Sequence

from . import ascend_parts, engine
from .container_argv import Mount
from .files import Json
from .program import import_root
from .step import Run, StepProblem

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
_PIP_CONFS = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")


def mounts_of(run: Run, spec: Json) -> List[Mount]:
    """work_dir for writing; data and code that lie elsewhere for reading; what the inventory adds."""
    roots = sorted({str(run.root), os.path.realpath(str(run.root))})
    found = [Mount(root, root) for root in roots]
    others = [str(data["target"]) for data in run.job.get("data") or []] + [str(import_root())]
    for path in others:
        if not _lies_in(path, [mount.target for mount in found]):
            found.append(Mount(path, path, True))
    for extra in spec["extra_mounts"]:
        source = os.path.expanduser(extra["source"])
        if not os.path.exists(source):
            raise StepProblem("a mount of the inventory is not on this host: {}".format(source))
        found.append(Mount(source, extra["target"] or source, bool(extra["read_only"])))
    return found


def _lies_in(path: str, folders: List[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def groups_of(nodes: Sequence[str]) -> List[str]:
    """The user's own groups, by which data is read, and those of the device nodes."""
    wanted = set(os.getgroups()) | set(ascend_parts.groups_of(nodes))
    return [str(group) for group in sorted(wanted - {os.getgid()})]


def of_the_login(run_dir: Path) -> Dict[str, str]:
    """Proxies and pip's index hold in the container too: it is on the host's network. Its user has no entry in the
    image's /etc/passwd, so that Python's getpass, for one, needs the name (Python 3.11)."""
    passed = {name: value for name, value in os.environ.items() if name.lower() in _PROXIES}
    name = engine.user_name()
    fixed = {"PIP_NO_CACHE_DIR": "1", "HOME": str(run_dir / "home"), "USER": name, "LOGNAME": name}
    return dict(pip_settings(dict(os.environ), _PIP_CONFS), **passed, **fixed)


def pip_settings(login: Dict[str, str], files: Sequence[str]) -> Dict[str, str]:
    """Where the login's pip looks for packages, as pip's variables. `files`: later ones win, the login's variables over
    all. Not its other settings: they name files (`cert`, `constraint`) that are not in an image. (pip 20 to 25)
    """
    found = {}
    for path in files:
        parser = configparser.RawConfigParser()
        with suppress(configparser.Error, UnicodeDecodeError):
            parser.read(os.path.expanduser(path), encoding="utf-8")
        for section in ("global", "install"):
            for option in _PIP_OPTIONS:
                if parser.has_option(section, option):
                    found[_pip_variable(option)] = parser.get(section, option)
    found.update({name: login[name] for name in map(_pip_variable, _PIP_OPTIONS) if name in login})
    return found


def _pip_variable(option: str) -> str:
    return "PIP_" + option.upper().replace("-", "_")
