"""What the run of a deep check has seen, and what is kept of it beside the environment that it ran in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict

from .environment import MARKER
from .files import Json, read_json, write_json

RESULTS = "output/deep_check"
RECORD = "deep_check.json"
_LARGEST = 1 << 20


def seen(run_dir: Path) -> Json:
    """The files that the check left, by name, and the environment of the run."""
    found: Dict[str, Any] = {}
    for path in sorted((run_dir / RESULTS).glob("*.json")):
        if path.stat().st_size <= _LARGEST:
            found[path.stem] = read_json(path)
    return {"seen": found, "environment": read_json(run_dir / "environment.json")}


def keep(root: Path, run_dir: Path, verdict: Json) -> Json:
    """Write `verdict` as deep_check.json of the environment, for who asks later what worked; {"path"} or None."""
    environment = read_json(run_dir / "environment.json") or {}
    place = Path(str(environment.get("path") or ""))
    if place.parent != root / "environments" or read_json(place / MARKER) is None:
        return {"path": None}
    told = json.loads(json.dumps(verdict))
    record = dict(told, at=round(time.time(), 3), run_id=run_dir.name, versions=environment.get("versions"))
    write_json(place / RECORD, dict(record, version=1, fingerprint=environment.get("fingerprint")))
    return {"path": str(place / RECORD)}
