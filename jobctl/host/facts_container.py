"""Facts for `jobctl doctor`: the container engine; asked only for a host with a runtime that needs one."""

from __future__ import annotations

import json
import os
import platform
import shutil
from typing import Any, Dict, Optional

from .files import Json
from .tool import ask

_TIMEOUT_S = 12.0


def _container(asked: Any) -> Optional[Json]:
    """`error`: why the engine does not answer. `image` None: none is named, or the engine does not have it."""
    wanted = asked.wanted.get("container")
    if not wanted:
        return None
    engine = wanted["engine"]
    program = shutil.which(engine)
    mounts = {path: os.path.exists(path) for path in wanted["mounts"]}
    found: Json = {"engine": engine, "mounts": mounts, "path": program, "error": None, "runtimes": [], "image": None}
    if program is None:
        return dict(found, error="not on this host")
    said = ask([program, "info", "--format", "{{json .}}"], _TIMEOUT_S)
    info = _json(said.out) or {}
    errors = info.get("ServerErrors") or ([] if said.exit_code == 0 else [said.err.strip() or "no answer"])
    if errors:
        return dict(found, error=str(errors[-1])[-300:])
    found["version"] = info.get("ServerVersion") or (info.get("version") or {}).get("Version")
    found["runtimes"] = sorted(info.get("Runtimes") or {})
    name = wanted["images"].get(platform.machine())
    if name:
        found["image"] = _image(program, name)
    return found


def _image(program: str, name: str) -> Optional[Json]:
    said = ask([program, "image", "inspect", "--format", "{{json .}}", name], _TIMEOUT_S)
    found = _json(said.out.splitlines()[0]) if said.exit_code == 0 and said.out.strip() else None
    return {"id": found.get("Id"), "arch": found.get("Architecture")} if found else None


def _json(text: str) -> Optional[Json]:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


PROBES: Dict[str, Any] = {"container": _container}
