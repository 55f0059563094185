"""Facts for `jobctl doctor`: the container engine; asked only for a host with a runtime that needs one."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Any, Dict, Optional

from . import engine
from .files import Json


def _container(asked: Any) -> Optional[Json]:
    """`error`: why the engine is not to be had. `image` None: none is named, or the engine does not have it."""
    wanted = asked.wanted.get("container")
    if not wanted:
        return None
    name = wanted["engine"]
    mounts = {path: os.path.exists(path) for path in wanted["mounts"]}
    found: Json = {"engine": name, "there": shutil.which(name) is not None, "mounts": mounts, "image": None}
    try:
        facts = engine.ask_facts(name)
    except engine.EngineProblem as problem:
        return dict(found, error=str(problem), runtimes=[])
    image = wanted["images"].get(platform.machine())
    found["image"] = _image(name, image) if image else None
    return dict(found, error=None, version=facts.version, runtimes=facts.runtimes)


def _image(name: str, image: str) -> Optional[Json]:
    try:
        found = engine.find_image(name, image)
    except engine.EngineProblem as problem:  # it is of another machine
        return {"id": None, "error": str(problem)}
    return {"id": found.id, "error": None} if found else None


PROBES: Dict[str, Any] = {"container": _container}
