"""What a run's containers get of the host: folders, groups, and what of the login's environment holds inside too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from . import ascend_parts, engine
from .container_argv import Mount
from .files import Json
from .program import import_root
from .step import Run, StepProblem

_PIP_CONF_INSIDE = "/etc/jobctl/pip.conf"
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def mounts_of(run: Run, spec: Json) -> List[Mount]:
    """work_dir for writing; data and code that lie elsewhere for reading; what the inventory adds."""
    root = str(run.root)
    found = [Mount(root, root)]
    others = [str(data["target"]) for data in run.job.get("data") or []] + [str(import_root())]
    for path in others:
        if not _lies_in(path, [mount.target for mount in found]):
            found.append(Mount(path, path, True))
    pip_conf = _pip_conf()
    if pip_conf:
        found.append(Mount(pip_conf, _PIP_CONF_INSIDE, True))
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


def _pip_conf() -> Optional[str]:
    """The login's own, which names the package index of many a lab (pip 20 to 25: the newer place first)."""
    places = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf")
    return next((path for path in map(os.path.expanduser, places) if os.path.isfile(path)), None)


def of_the_login(run_dir: Path) -> Dict[str, str]:
    """Proxies and pip's settings hold in the container too: it is on the host's network. Its user has no entry in the
    image's /etc/passwd, so that Python's getpass, for one, needs the name (Python 3.11)."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.lower() in _PASSED_ON or (name.startswith("PIP_") and name != "PIP_CONFIG_FILE")
    }
    if _pip_conf():
        passed["PIP_CONFIG_FILE"] = _PIP_CONF_INSIDE
    name = engine.user_name()
    return dict({"PIP_NO_CACHE_DIR": "1"}, **passed, HOME=str(run_dir / "home"), USER=name, LOGNAME=name)
