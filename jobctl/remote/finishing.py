"""Large files that arrive are hashed meanwhile, behind the bytes that come, and named when they are whole."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from jobctl.host.partial import Overtaken
from jobctl.laptop.pulled import Arriving, PullTarget
from jobctl.plan.manifest import Entry

_LOOK_S = 0.02


class Finishing:
    """`late`: what turns out to be something else than was announced. `whole`: what has its final name."""

    def __init__(self, target: PullTarget, late: set[Entry], whole: set[Entry]) -> None:
        self._target = target
        self._late = late
        self._whole = whole
        self._stop = threading.Event()
        self._verified: list[Arriving] = []
        self._error: BaseException | None = None

    @contextmanager
    def watch(self, arriving: Collection[Arriving], *, together: bool) -> Iterator[None]:
        """Finishes what arrives within. `together`: all of it at the end, or nothing. Raises TransferError, OSError."""
        thread = threading.Thread(target=self._finish, args=(arriving, together), name="jobctl-finish", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            self._stop.set()
            raise
        finally:
            thread.join()
        if self._error is not None:
            raise self._error
        if together and not self._late:
            for one in self._verified:
                self._keep(one)

    def _finish(self, arriving: Iterable[Arriving], together: bool) -> None:
        try:
            for one in arriving:
                if not self._is_verified(one):
                    continue
                if together:
                    self._verified.append(one)
                else:
                    self._keep(one)
        except BaseException as error:
            self._error = error

    def _is_verified(self, one: Arriving) -> bool:
        """Waits for its end. False: something else came of it, or the waiting is over."""
        try:
            while not one.partial.hash_on():
                if one.entry in self._late:  # that content is no more
                    one.partial.discard()
                    return False
                if self._stop.wait(_LOOK_S):
                    return False
            if not one.partial.verify():
                self._late.add(one.entry)
                return False
        except Overtaken:
            self._look_at(one.entry)
            return False
        return True

    def _keep(self, one: Arriving) -> None:
        try:
            one.keep()
            self._whole.add(one.entry)
        except Overtaken:
            self._look_at(one.entry)

    def _look_at(self, entry: Entry) -> None:
        """Another pull has finished it, or thrown it away."""
        found = self._target.known([entry]).get(entry.path) == entry.content
        (self._whole if found else self._late).add(entry)
