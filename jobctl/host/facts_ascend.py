"""Facts for `jobctl doctor`: driver, CANN, device files, cards and their network. Texts go as they are; who reads them
is on the laptop. Where the files are: PaddleCustomDevice's and CANN's documents. No NPU was ever at hand.
"""

from __future__ import annotations

import glob
import grp
import os
import pwd
import re
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import cards, lease_dir, surroundings
from .files import Json
from .tool import ask

_DRIVER = "/usr/local/Ascend/driver/version.info"
_FIRMWARE = "/usr/local/Ascend/firmware/version.info"
_TOOLKITS = ("/usr/local/Ascend/ascend-toolkit", "/usr/local/Ascend/cann")
_MANAGERS = ("davinci_manager", "devmm_svm", "hisi_hdc")
_DEVICE = re.compile(r"davinci[0-9]+\Z")
_HCCN_PLACES = ("/usr/local/bin/hccn_tool", "/usr/local/Ascend/driver/tools/hccn_tool", "/usr/bin/hccn_tool")
_HCCN_QUESTIONS = ("ip", "link", "net_health")
_TIMEOUT_S = 10.0
_LARGEST_TEXT = 4096
_CANN_VARIABLES = ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH", "ASCEND_OPP_PATH", "ASCEND_AICPU_PATH")


def _driver(asked: Any) -> Json:
    """`text` None: the file is not there."""
    return {"path": _DRIVER, "text": _text_of(_DRIVER), "firmware_path": _FIRMWARE, "firmware": _text_of(_FIRMWARE)}


def _text_of(path: str) -> Optional[str]:
    try:
        with open(path, "rb") as handle:
            return handle.read(_LARGEST_TEXT).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _cann(asked: Any) -> Json:
    """The files in which a toolkit says its version, of where the job sources it from or else of the usual places."""
    sourced = [os.path.dirname(os.path.expanduser(path)) for path in asked.wanted.get("source") or []]
    places = sourced or list(_TOOLKITS)
    names = ("latest/*-linux/ascend_toolkit_install.info", "*-linux/ascend_toolkit_install.info")
    patterns = [os.path.join(glob.escape(place), name) for place in places for name in names]
    paths = sorted({path for pattern in patterns for path in glob.glob(pattern)})
    return {"places": places, "files": [{"path": path, "text": _text_of(path)} for path in paths[:8]]}


def _set_env(asked: Any) -> List[Json]:
    """What sourcing each file leaves, as a run's supervisor sources it: by bash, without `set -u`."""
    return [_sourced(os.path.expanduser(path)) for path in asked.wanted.get("source") or []]


def _sourced(path: str) -> Json:
    if not os.path.isfile(path):
        return {"path": path, "there": False}
    said = ask(surroundings.source_argv([path]), _TIMEOUT_S)
    environ = surroundings.parse_environ(said.out.encode("utf-8"))
    found = {name: environ[name] for name in _CANN_VARIABLES if name in environ}
    return {
        "path": path,
        "there": True,
        "readable": os.access(path, os.R_OK),
        "ended": not environ,
        "variables": found,
        "leading_nowhere": sorted(name for name, value in found.items() if not os.path.exists(value)),
        "said": said.err.strip()[-300:],
    }


def _devices(asked: Any) -> Dict[str, Json]:
    """Each device file of the cards: who may use it, and whether we may."""
    names = [name for name in os.listdir("/dev") if _DEVICE.match(name) or name in _MANAGERS]
    return {name: _device("/dev/" + name) for name in sorted(names)}


def _device(path: str) -> Json:
    info = os.stat(path)
    return {
        "mode": "{:o}".format(stat.S_IMODE(info.st_mode)),
        "is_device": stat.S_ISCHR(info.st_mode),
        "owner": _name_of(pwd.getpwuid, info.st_uid),
        "group": _name_of(grp.getgrgid, info.st_gid),
        "usable": os.access(path, os.R_OK | os.W_OK),
    }


def _name_of(look_up: Any, number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


def _cards(asked: Any) -> Json:
    """The cards as npu-smi tells them, or the device files; who holds which."""
    seen = cards.look()
    folder = Path(os.path.expanduser(asked.wanted.get("lease_dir") or lease_dir.DEFAULT))
    shot = seen.snapshot
    return {
        "ids": seen.ids,
        "npu_smi": shot is not None,
        "error": shot.error if shot else None,
        "warnings": shot.warnings if shot else [],
        "driver": shot.driver if shot else None,
        "health": _health(shot.cards or []) if shot else {},
        "processes": [[one.npu, one.pid] for one in shot.processes] if shot and shot.processes is not None else None,
        "held": {str(card): note.run_id or "another run" for card, note in cards.holders(folder, seen.ids).items()},
    }


def _health(rows: List[Any]) -> Dict[str, str]:
    """By NPU; of one with two dies that of the worse."""
    found: Dict[str, str] = {}
    for card in rows:
        if found.get(str(card.npu), "OK") == "OK":
            found[str(card.npu)] = card.health or "not told"
    return found


def _hccn(asked: Any) -> Json:
    """What `hccn_tool` says of each card's own network port. `tool` None: it is not there."""
    places = [path for path in _HCCN_PLACES if os.access(path, os.X_OK)]
    tool = shutil.which("hccn_tool") or (places[0] if places else None)
    numbers = sorted(int(name[7:]) for name in os.listdir("/dev") if _DEVICE.match(name))
    if tool is None:
        return {"tool": None, "cards": {}}
    questions = [(number, word) for number in numbers for word in _HCCN_QUESTIONS]
    found: Dict[str, Json] = {str(number): {} for number in numbers}
    with ThreadPoolExecutor(8) as pool:
        argvs = [[tool, "-i", str(number), "-" + word, "-g"] for number, word in questions]
        for (number, word), said in zip(questions, pool.map(lambda argv: ask(argv, _TIMEOUT_S), argvs)):
            found[str(number)][word] = (said.out + said.err)[:1000]
    return {"tool": tool, "cards": found}


PROBES: Dict[str, Any] = {
    "driver": _driver,
    "cann": _cann,
    "set_env": _set_env,
    "devices": _devices,
    "cards": _cards,
    "hccn": _hccn,
}
