"""The cards of this host: which there are, which are free, and holding some of them.

A card is held by a flock on `leases/npu<N>.lock`: the kernel frees it when the holder dies, however it dies. What is in
the file says who holds it. A card on which `npu-smi` shows a process is taken by somebody who does not use jobctl.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional

from . import npu_smi, processes, tickets
from .files import Json, read_json
from .locks import is_held, open_shared_lock_file, try_lock

_SMI_PLACES = ("/usr/local/bin/npu-smi", "/usr/local/sbin/npu-smi", "/usr/sbin/npu-smi")
_SMI_TIMEOUT_S = 20
_LOOK_EVERY_S = 5.0
_BROKEN = ("Alarm", "Critical")


class NoCards(Exception):
    """The cards that are asked for are not on this host; the message says what is."""


class Seen(NamedTuple):
    """The host's cards at one moment. `snapshot` None: there is no npu-smi."""

    ids: List[int]
    devices: Dict[int, int]  # card id to the number that the runtime has for it
    snapshot: Optional[npu_smi.Snapshot]


class Lease(NamedTuple):
    """Cards that are ours until `release`, or until this process ends."""

    cards: List[int]
    devices: List[int]
    descriptors: List[int]

    def release(self) -> None:
        for descriptor in self.descriptors:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)


def look(devices: Path = Path("/dev")) -> Seen:
    """Ask `npu-smi`; where it cannot say, count the device files. Takes up to seconds on a busy host."""
    snapshot = None
    mapping: Dict[int, int] = {}
    program = shutil.which("npu-smi") or next((place for place in _SMI_PLACES if os.access(place, os.X_OK)), None)
    if program is not None:
        snapshot = npu_smi.parse(_output([program, "info"]))
        for (npu, chip), logic in npu_smi.parse_mapping(_output([program, "info", "-m"])).items():
            if chip == 0:
                mapping[npu] = logic
    if snapshot is not None and snapshot.cards:
        ids = sorted({card.npu for card in snapshot.cards})
    else:
        names = os.listdir(str(devices)) if devices.is_dir() else []
        ids = sorted(int(name[7:]) for name in names if re.match(r"davinci\d+$", name))
    # Without a mapping: the runtime counts the cards that it sees from 0.
    return Seen(ids, {card: mapping.get(card, place) for place, card in enumerate(ids)}, snapshot)


def _output(argv: List[str]) -> str:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, LC_ALL="C"),
            timeout=_SMI_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "npu-smi failed: {}".format(error)
    return done.stdout.decode("utf-8", "replace")


def holders(root: Path, ids: List[int]) -> Dict[int, Json]:
    """Who holds which of the cards `ids`: card id to what the holder wrote ({} when that cannot be read)."""
    found: Dict[int, Json] = {}
    for card in ids:
        path = lease_path(root, card)
        if is_held(path):
            found[card] = _note(path)
    return found


def _note(path: Path) -> Json:
    return read_json(path) or {}


def _left_behind(note: Json) -> bool:
    """Whether a holder that died without letting go has left processes of its run behind, on its cards."""
    return bool(note.get("run_dir")) and bool(processes.processes_of(Path(note["run_dir"])))


def acquire(
    root: Path,
    count: int,
    wanted: Optional[List[int]],
    holder: Json,
    wait: Callable[[str], None],
    ask: Callable[[], Seen] = look,
) -> Lease:
    """Hold `count` cards, all or none: those `wanted`, or the first free ones. First come, first served.

    `holder` names the run ("run_id") and whatever else those who wait should be told. `wait(reason)` is called again
    and again until the cards are ours; it sleeps, and ends the wait by raising. Raises NoCards if waiting cannot help.
    """
    (root / "leases").mkdir(parents=True, exist_ok=True)
    seen = ask()
    _check(seen, count, wanted)
    looked_at = time.monotonic()
    with tickets.Ticket(root / "leases" / "queue", holder["run_id"]) as ticket:
        while True:
            if time.monotonic() - looked_at > _LOOK_EVERY_S:
                seen, looked_at = ask(), time.monotonic()
            ahead = ticket.ahead()
            if ahead is None:
                lease = _try(root, seen, count, wanted, holder)
                if lease is not None:
                    return lease
                wait(_why_not(root, seen, count, wanted))
            else:
                wait("waiting for {}, behind {}".format(_cards_text(count, wanted), ahead))


def _check(seen: Seen, count: int, wanted: Optional[List[int]]) -> None:
    error = seen.snapshot.error if seen.snapshot else None
    if not seen.ids:
        what = "npu-smi says: " + error if error else "there is no npu-smi, and no /dev/davinci*"
        raise NoCards("which cards this host has is unknown ({})".format(what))
    here = "this host has {} ({})".format(_plural(len(seen.ids)), ", ".join(map(str, seen.ids)))
    unknown = [card for card in wanted or [] if card not in seen.ids]
    if unknown:
        raise NoCards("card {} is asked for; {}".format(", ".join(map(str, unknown)), here))
    if len(wanted or seen.ids) < count:
        raise NoCards("{} asked for; {}".format(_plural(count), here))


def _candidates(seen: Seen, wanted: Optional[List[int]]) -> List[int]:
    if wanted:
        return [card for card in wanted if card not in _in_use(seen)]
    broken = {card.npu for card in (seen.snapshot.cards or [] if seen.snapshot else []) if card.health in _BROKEN}
    return [card for card in seen.ids if card not in broken and card not in _in_use(seen)]


def _in_use(seen: Seen) -> Dict[int, List[int]]:
    """Cards with processes, and their pids; none where npu-smi shows no process table."""
    found: Dict[int, List[int]] = {}
    for process in (seen.snapshot.processes or []) if seen.snapshot else []:
        found.setdefault(process.npu, []).append(process.pid)
    return found


def _try(root: Path, seen: Seen, count: int, wanted: Optional[List[int]], holder: Json) -> Optional[Lease]:
    held: Dict[int, int] = {}
    for card in _candidates(seen, wanted):
        descriptor = open_shared_lock_file(lease_path(root, card))
        if not try_lock(descriptor) or _left_behind(_note(lease_path(root, card))):
            os.close(descriptor)
            continue
        held[card] = descriptor
        if len(held) == count:
            break
    lease = Lease(list(held), [seen.devices[card] for card in held], list(held.values()))
    if len(held) < count:
        lease.release()
        return None
    note = json.dumps(dict(holder, pid=os.getpid(), since=round(time.time(), 3))).encode("ascii")
    for descriptor in lease.descriptors:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)
    return lease


def _why_not(root: Path, seen: Seen, count: int, wanted: Optional[List[int]]) -> str:
    held = holders(root, wanted or seen.ids)
    parts = []
    for card in wanted or seen.ids:
        if card in held:
            parts.append("{} held by {}".format(card, held[card].get("run_id", "another run")))
        elif _left_behind(_note(lease_path(root, card))):
            run_id = _note(lease_path(root, card))["run_id"]
            parts.append("{} in use by what run {} left behind; cancel it".format(card, run_id))
        elif card in _in_use(seen):
            pids = ", ".join(str(pid) for pid in _in_use(seen)[card])
            parts.append("{} in use by process {}, which is not of jobctl".format(card, pids))
    return "waiting for {}: {}".format(_cards_text(count, wanted), "; ".join(parts) or "they were free a moment ago")


def _cards_text(count: int, wanted: Optional[List[int]]) -> str:
    return "card {}".format(", ".join(map(str, wanted))) if wanted else _plural(count)


def _plural(count: int) -> str:
    return "1 card" if count == 1 else "{} cards".format(count)


def lease_path(root: Path, card: int) -> Path:
    """The lock file of one card."""
    return root / "leases" / "npu{}.lock".format(card)
