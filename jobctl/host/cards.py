"""The cards of this host: which there are, which are free, and holding some of them.

A card is held by a flock on `npu<N>.lock` in the lease folder of the host: the kernel frees it when the holder dies,
however it dies. What is in the file says who holds it. A card on which `npu-smi` shows a process is taken by somebody
who does not use jobctl.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from . import card_words, lease_dir, npu_smi, processes
from .files import Json
from .locks import is_held
from .tickets import Ticket, Wants
from .tool import ask

_SMI_PLACES = ("/usr/local/bin/npu-smi", "/usr/local/sbin/npu-smi", "/usr/sbin/npu-smi")
_SMI_TIMEOUT_S = 20
_LOOK_EVERY_S = 5.0
_LOOK_AGAIN_S = 1.0  # where a lease is free and npu-smi alone stands in the way
_LOOK_SHARE = 4.0  # npu-smi takes seconds on a busy host: at most one part in five of the time is spent in it
_LEFT_BEHIND_S = 1.0
_BROKEN = ("Alarm", "Critical")


class NoCards(Exception):
    """The cards that are asked for are not to be had; the message says why."""


class Seen(NamedTuple):
    """The host's cards at one moment. `snapshot` None: there is no npu-smi."""

    ids: List[int]
    devices: Dict[int, int]  # card id to the number that the runtime has for it
    snapshot: Optional[npu_smi.Snapshot]


class Lease(NamedTuple):
    """Cards that are ours until `release`, or until this process ends. An exclusive one holds more than it uses."""

    cards: List[int]
    devices: List[int]
    descriptors: List[int]
    since: float = 0.0

    def release(self) -> None:
        lease_dir.let_go(self.descriptors)


class Waiting(NamedTuple):
    """Why there are no cards yet, as one line and as `status.json` has it."""

    reason: str
    facts: Json


Wait = Callable[[Callable[[], Waiting], List[int]], None]
"""Called again and again until the cards are ours, with what describes the wait and the descriptors held meanwhile.
It sleeps, and ends the wait by raising."""


def look(devices: Path = Path("/dev")) -> Seen:
    """Ask `npu-smi`; where it cannot say, count the device files. Takes up to seconds on a busy host."""
    snapshot = None
    mapping: Dict[int, int] = {}
    told = ask_smi()
    if told is not None:
        snapshot = npu_smi.parse(told[0])
        for (npu, chip), logic in npu_smi.parse_mapping(told[1]).items():
            if chip == 0:
                mapping[npu] = logic
    if snapshot is not None and snapshot.cards:
        ids = sorted({card.npu for card in snapshot.cards})
    else:
        ids = device_files(devices)
    # Without a mapping: the runtime counts the cards that it sees from 0.
    return Seen(ids, {card: mapping.get(card, place) for place, card in enumerate(ids)}, snapshot)


def device_files(devices: Path = Path("/dev")) -> List[int]:
    """N of every /dev/davinci<N>."""
    names = os.listdir(str(devices)) if devices.is_dir() else []
    return sorted(int(name[7:]) for name in names if re.match(r"davinci\d+$", name))


def find_smi() -> Optional[str]:
    """Where npu-smi is; None where it is not."""
    return shutil.which("npu-smi") or next((place for place in _SMI_PLACES if os.access(place, os.X_OK)), None)


def ask_smi(timeout_s: float = _SMI_TIMEOUT_S) -> Optional[Tuple[str, str]]:
    """What `npu-smi info` and `npu-smi info -m` print, errors too; None: there is no npu-smi. It may take seconds.

    One that gives no answer says so, and is not asked again: what hangs in the driver hangs the second time too.
    """
    program = find_smi()
    if program is None:
        return None
    told = [ask([program, "info"], timeout_s)]
    if told[0].exit_code is not None:
        told.append(ask([program, "info", "-m"], timeout_s))
    texts = ["npu-smi failed: " + said.err if said.exit_code is None else said.out + said.err for said in told]
    return texts[0], texts[-1]


def holders(folder: Path, ids: List[int]) -> Dict[int, lease_dir.Note]:
    """Who holds which of the cards `ids`: card id to what the holder wrote."""
    paths = {card: lease_path(folder, card) for card in ids}
    return {card: lease_dir.read_note(path) for card, path in paths.items() if is_held(path)}


def lease_path(folder: Path, card: int) -> Path:
    """The lock file of one card."""
    return folder / "npu{}.lock".format(card)


class Outlook:
    """What the host's cards look like, as fresh as it is cheap to have."""

    def __init__(self, folder: Path, ask: Callable[[], Seen], own_run_dir: Optional[str]) -> None:
        self._folder = folder
        self._ask = ask
        self._own_run_dir = own_run_dir
        self._spoilt: Dict[int, str] = {}  # cards whose lease cannot be used, and why
        self._left: Dict[str, List[float]] = {}  # run directory: when it was looked at, how many processes it has
        self.doubtful = False  # a lease is free, and a process is shown that nobody here can see
        self.look()

    def look(self) -> None:
        """Ask npu-smi."""
        begun = time.monotonic()
        self.seen = self._ask()
        self._looked_at = time.monotonic()
        self._took_s = self._looked_at - begun
        shown = (self.seen.snapshot.processes or []) if self.seen.snapshot else []
        self._living = {one.pid: processes.look_up(one.pid) for one in shown}
        self._shown = [(one.npu, one.pid) for one in shown]

    def refresh(self) -> None:
        """Ask npu-smi when it is time."""
        every_s = max(_LOOK_AGAIN_S if self.doubtful else _LOOK_EVERY_S, _LOOK_SHARE * self._took_s)
        if time.monotonic() - self._looked_at > every_s:
            self.look()

    def in_use(self) -> Dict[int, List[int]]:
        """Cards with processes, and their pids; none where npu-smi shows no process table.

        A process that we saw living then and that has ended since does not count: the run before us has just let go,
        and the next one need not wait for npu-smi. One that /proc never showed (of another container) counts on.
        """
        found: Dict[int, List[int]] = {}
        for card, pid in self._shown:
            then = self._living[pid]
            if then is None or processes.is_alive(pid, then.start_ticks):
                found.setdefault(card, []).append(pid)
        return found

    def broken(self) -> Dict[int, str]:
        """Cards that npu-smi calls broken, in words."""
        rows = (self.seen.snapshot.cards or []) if self.seen.snapshot else []
        return {card.npu: "broken (npu-smi: {})".format(card.health) for card in rows if card.health in _BROKEN}

    def left_behind(self, note: lease_dir.Note) -> bool:
        """Whether a holder that died without letting go has left processes of its run behind, on its cards."""
        if note.run_dir is None or note.run_dir == self._own_run_dir:
            return False
        known = self._left.get(note.run_dir)
        if known is None or time.monotonic() - known[0] > _LEFT_BEHIND_S:
            known = [time.monotonic(), float(len(processes.processes_of(Path(note.run_dir))))]
            self._left[note.run_dir] = known
        return known[1] > 0

    def take(self, card: int, in_use: Dict[int, List[int]]) -> Optional[int]:
        """A descriptor that holds the card; None while anybody else has it."""
        path = lease_path(self._folder, card)
        if card in in_use:
            self.doubtful = self.doubtful or not is_held(path)
            return None
        self._spoilt.pop(card, None)
        try:
            descriptor = lease_dir.take(path)
        except lease_dir.BadLeaseDir as error:  # waited for: somebody may set it right, or the disk be full for now
            self._spoilt[card] = str(error)
            return None
        if descriptor is not None and self.left_behind(lease_dir.read_note(path)):
            os.close(descriptor)
            return None
        return descriptor

    def waiting(self, wants: Wants, ahead: List[Wants]) -> Waiting:
        """Why `wants` has no cards."""
        ids = wants.cards if wants.cards and not wants.exclusive else self.seen.ids
        held = holders(self._folder, ids)
        left = {card: lease_dir.read_note(lease_path(self._folder, card)) for card in ids if card not in held}
        left = {card: note for card, note in left.items() if self.left_behind(note)}
        reason = card_words.why_not(wants, ahead, ids, held, left, self.in_use(), {**self.broken(), **self._spoilt})
        return Waiting(reason, card_words.facts(wants, ahead, held))


def acquire(folder: Path, wants: Wants, holder: Json, wait: Wait, ask: Callable[[], Seen] = look) -> Lease:
    """Hold the cards that `wants` says, all or none. First come, first served.

    `folder` is where the host's users agree (`lease_dir.prepare`). `holder` names the run ("run_id") and whatever else
    those who wait should be told. Raises NoCards if waiting cannot help, BadLeaseDir, and what `wait` raises.
    """
    outlook = Outlook(folder, ask, holder.get("run_dir"))
    _check(outlook.seen, wants)
    with Ticket(folder, wants) as ticket:
        while True:
            usable = ticket.turn(outlook.seen.ids)
            if usable:
                outlook.refresh()
                lease = _try(outlook, wants, usable, holder)
                if lease is not None:
                    return lease
            wait(lambda: outlook.waiting(wants, ticket.ahead()), [ticket.descriptor])


def _check(seen: Seen, wants: Wants) -> None:
    error = seen.snapshot.error if seen.snapshot else None
    if not seen.ids:
        what = "npu-smi says: " + error if error else "there is no npu-smi, and no /dev/davinci*"
        raise NoCards("which cards this host has is unknown ({})".format(what))
    here = "this host has {} ({})".format(card_words.plural(len(seen.ids)), ", ".join(map(str, seen.ids)))
    unknown = [card for card in wants.cards or [] if card not in seen.ids]
    if unknown:
        raise NoCards("card {} is asked for; {}".format(", ".join(map(str, unknown)), here))
    if len(wants.cards or seen.ids) < wants.number:
        raise NoCards("{} asked for; {}".format(card_words.plural(wants.number), here))


def _try(outlook: Outlook, wants: Wants, usable: List[int], holder: Json) -> Optional[Lease]:
    outlook.doubtful = False
    in_use, broken = outlook.in_use(), outlook.broken()
    good = wants.cards or [card for card in usable if card not in broken]
    to_hold = outlook.seen.ids if wants.exclusive else good
    goal = len(to_hold) if wants.exclusive else wants.number
    held: Dict[int, int] = {}
    for card in to_hold:
        descriptor = outlook.take(card, in_use)
        if descriptor is not None:
            held[card] = descriptor
        if len(held) == goal:
            break
    chosen = [card for card in good if card in held][: wants.number]
    lease = Lease(chosen, [outlook.seen.devices[card] for card in chosen], list(held.values()))
    if len(held) < goal or len(chosen) < wants.number:
        lease.release()
        return None
    note = dict(holder, pid=os.getpid(), since=round(time.time(), 3))
    for descriptor in lease.descriptors:
        lease_dir.write_note(descriptor, note)
    return lease._replace(since=note["since"])
