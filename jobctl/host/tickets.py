"""The queue for cards: each run draws a number and holds a lock on it, so that a dead run's number does not count.

A ticket is `ticket-<number>` in the lease folder; what is in it says who drew it and what it wants. Tickets of other
users that died cannot be removed in a sticky folder: they are passed over.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Tuple

from . import lease_dir
from .files import Json
from .locks import is_held, try_lock

_NO_TICKET = "the lease folder {} takes no ticket for the queue: {}; `lease_dir` in the inventory names another folder"
_TICKET = re.compile(r"ticket-(\d{12})$")


class Wants(NamedTuple):
    """What one who waits asks for. `cards` None: any `number` of them."""

    run_id: str
    number: int
    cards: Optional[List[int]] = None
    exclusive: bool = False


def may_take(ahead: List[Wants], mine: Wants, ids: List[int]) -> List[int]:
    """The cards of the host that I may take now if they are free; none: it is not my turn.

    First come, first served. A later one goes first only where that delays nobody for certain: all who are ahead wait
    for cards by number, and mine are others.
    """
    open_to_me = set(mine.cards if mine.cards and not mine.exclusive else ids)
    for other in ahead:
        if other.exclusive or mine.exclusive or other.cards is None:
            return []
        if mine.cards and open_to_me & set(other.cards):
            return []
        open_to_me -= set(other.cards)
    if mine.cards and not mine.exclusive:
        return list(mine.cards)
    return [card for card in ids if card in open_to_me]


class Ticket:
    """A place in the queue in `folder`, from `with` on. Those behind are told `wants`."""

    def __init__(self, folder: Path, wants: Wants) -> None:
        self._folder = folder
        self._wants = wants
        self._number = 0
        self._blocker: Optional[Path] = None
        self.descriptor = -1

    def __enter__(self) -> Ticket:
        draft = self._write_draft()
        try:
            living = [number for number, path in self._all() if self._lives(path)]
            self._number = max(living + [0]) + 1
            while not self._place(draft):
                self._number += 1
        finally:
            os.unlink(str(draft))
        return self

    def __exit__(self, *_: Any) -> None:
        path = self._path(self._number)
        if lease_dir.is_at(self.descriptor, path):
            os.unlink(str(path))
        os.close(self.descriptor)

    def ahead(self) -> List[Wants]:
        """What the living before us want, first come first."""
        return [wants for _, wants in self._before_us()]

    def turn(self, ids: List[int]) -> List[int]:
        """`may_take` now. Cheap: as long as one lives whom we may not pass, only he is looked at."""
        if self._blocker is not None and is_held(self._blocker):
            return []
        before = self._before_us()
        alone = [path for path, wants in before if not may_take([wants], self._wants, ids)]
        self._blocker = alone[0] if alone else None
        return may_take([wants for _, wants in before], self._wants, ids)

    def _before_us(self) -> List[Tuple[Path, Wants]]:
        return [
            (path, _wants_of(path, lease_dir.read_note(path)))
            for number, path in self._all()
            if number < self._number and self._lives(path)
        ]

    def _write_draft(self) -> Path:
        """The ticket, written and locked under another name: it is in the queue, whole, by one link(2)."""
        draft = self._folder / ".ticket-draft-{}-{}".format(os.getpid(), os.urandom(4).hex())
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self.descriptor = os.open(str(draft), flags, 0o644)
        except OSError as error:
            raise lease_dir.BadLeaseDir(_NO_TICKET.format(self._folder, error.strerror)) from None
        os.fchmod(self.descriptor, 0o644)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        lease_dir.write_note(self.descriptor, {"run_id": self._wants.run_id, "wants": self._wants._asdict()})
        return draft

    def _place(self, draft: Path) -> bool:
        try:
            os.link(str(draft), str(self._path(self._number)))
        except FileExistsError:
            return False
        except OSError as error:  # a file system without hard links
            raise lease_dir.BadLeaseDir(_NO_TICKET.format(self._folder, error.strerror)) from None
        return True

    def _lives(self, path: Path) -> bool:
        """Whether somebody waits with it. A dead ticket that is ours to remove goes."""
        if is_held(path):
            return True
        try:
            descriptor = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # Only who holds its lock may remove it: the name may be a new ticket's meanwhile.
            if try_lock(descriptor) and lease_dir.is_at(descriptor, path):
                os.unlink(str(path))
        except OSError:
            pass
        finally:
            os.close(descriptor)
        return False

    def _all(self) -> List[Tuple[int, Path]]:
        matches = (_TICKET.match(name) for name in os.listdir(str(self._folder)))
        return sorted((int(match.group(1)), self._folder / match.group(0)) for match in matches if match)

    def _path(self, number: int) -> Path:
        return self._folder / "ticket-{:012d}".format(number)


def _wants_of(path: Path, note: lease_dir.Note) -> Wants:
    """What a ticket says, which anybody can write. One that cannot be understood wants any card: nobody passes it."""
    wants: Json = note.wants or {}
    number: Any = wants.get("number")
    return Wants(
        note.run_id or path.name,
        number if _is_number(number) else 1,
        _cards_in(wants.get("cards")),
        wants.get("exclusive") is True,
    )


def _cards_in(found: Any) -> Optional[List[int]]:
    return found if isinstance(found, list) and found and all(_is_number(card) for card in found) else None


def _is_number(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 10000
