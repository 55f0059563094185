"""The cards of this host for somebody who looks: what npu-smi prints, who holds which, whose the processes are.

Nothing is decided here: the laptop reads npu-smi's text, with more time and newer rules. Nothing is made either, the
lease folder included.
"""

from __future__ import annotations

import os
import pwd
import re
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import cards, lease_dir, npu_smi
from .files import Json
from .locks import is_held
from .server import Request

_LOCK = re.compile(r"npu(\d+)\.lock\Z")


def answer(request: Request) -> Dict[str, Any]:
    """{smi, mapping, devices, leases, owners, at}. `smi` None: there is no npu-smi; `devices`: /dev/davinci<N>."""
    folder = Path(os.path.expanduser(request.params.get("lease_dir") or lease_dir.DEFAULT))
    text, mapping = cards.ask_smi() or (None, None)
    shown = npu_smi.parse(text).processes if text is not None else None
    return {
        "smi": text,
        "mapping": mapping,
        "devices": cards.device_files(),
        "leases": _leases(folder),
        "owners": {str(pid): owner(pid) for pid in sorted({one.pid for one in shown or []})},
        "at": round(time.time(), 3),
    }


def _leases(folder: Path) -> List[Json]:
    """What is known of each card that was ever held: {card, held, run_id, by, since, free_since}."""
    try:
        names = os.listdir(str(folder))
    except OSError:
        return []
    found = []
    for card in sorted(int(match.group(1)) for match in map(_LOCK.match, names) if match):
        path = cards.lease_path(folder, card)
        held, note = is_held(path), lease_dir.read_note(path)
        found.append(
            {
                "card": card,
                "held": held,
                "run_id": note.run_id if held else None,
                "by": note.by if held else None,
                "since": note.since if held else None,
                "free_since": None if held else note.free_since,
            }
        )
    return found


def owner(pid: int) -> Json:
    """{user, name} of a process; None each where /proc does not show it, as of another container."""
    user: Optional[str] = None
    name: Optional[str] = None
    try:
        uid = os.stat("/proc/{}".format(pid)).st_uid
        user = str(uid)
        user = pwd.getpwuid(uid).pw_name
    except (OSError, KeyError):
        pass
    try:
        with open("/proc/{}/comm".format(pid), encoding="utf-8", errors="replace") as handle:
            name = handle.read().strip() or None
    except OSError:
        pass
    return {"user": user, "name": name}
