"""One transfer over as many connections as its link is worth (`link`): the channel that is there, and further ones.

with Lanes(channel) as lanes:
    lanes.carry(items, work, total)      work(channel, item, moved) for each item, once, by several threads
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

from jobctl.errors import HostError
from jobctl.remote.channel import HostChannel
from jobctl.remote.link import Seen, connections_to_expect, further_connections, is_near, is_worth_a_carrier
from jobctl.remote.rate import RateLimit

T = TypeVar("T")
Moved = Callable[[int], None]
"""Called by work with the bytes that have just been carried; waits where a limit says so, and ends work that is given
up."""
Work = Callable[[HostChannel, T, Moved], None]

_THREADS = 2
"""Per connection: while one waits a round trip for what comes next, the other's bytes are under way."""
_BULK_BYTES = 4 << 20
_LOOK_S = 0.05
_SPAN_S = 0.4
"""Over so long a rate is taken: bytes are counted by the megabyte, and a burst that a buffer held is no rate."""


class _GivenUp(Exception):
    """The transfer has failed elsewhere."""


class Lanes:
    """Further connections are opened when they may be of use and kept until the end. `tell` is told of them."""

    def __init__(
        self, channel: HostChannel, limit: RateLimit | None = None, tell: Callable[[str], None] = lambda note: None
    ) -> None:
        self.channel = channel
        self.limit = limit or RateLimit(None)
        self.tell = tell
        self.change = threading.Condition()
        self.further: list[HostChannel] = []
        self.opening = 0
        self.worth = 0
        """How many further ones the link has shown itself to be worth."""
        self.may_open = True
        self.round_trip_s: float | None = None

    def expect(self, size_bytes: int) -> None:
        """About so much is going to be carried: what that may be worth is opened while the caller does other things."""

        def prepare() -> None:
            with suppress(HostError):  # whoever uses the channel next is told
                self._prepare(size_bytes)

        threading.Thread(target=prepare, name=f"jobctl-expect-{self.channel.host}", daemon=True).start()

    def _prepare(self, size_bytes: int) -> None:
        if size_bytes >= _BULK_BYTES and self.may_open:
            self.measure()
            self.open(connections_to_expect(self.round_trip_s or 0.0, size_bytes) if not self.limit.is_set else 0)

    def open(self, count: int) -> None:
        """As many further ones as are missing to `count`, each in a thread of its own."""
        with self.change:
            more = count - len(self.further) - self.opening if self.may_open else 0
            self.opening += max(0, more)
        for _ in range(more):
            threading.Thread(target=self._open, name=f"jobctl-open-{self.channel.host}", daemon=True).start()

    def _open(self) -> None:
        channel = None
        try:
            channel = self.channel.another()
        except HostError as error:
            self.tell(f"no further connection: {error.what}")
        with self.change:
            self.opening -= 1
            if channel is None or (self.is_near and not channel.in_bulk):  # it would be as slow as the first
                self.may_open = False
            if channel is not None and self.may_open:
                self.further.append(channel)
                channel = None
            self.change.notify_all()
        if channel is not None:
            channel.close()

    @property
    def is_near(self) -> bool:
        return self.round_trip_s is not None and is_near(self.round_trip_s)

    def carry(self, items: Iterable[T], work: Work[T], size_bytes: int) -> None:
        """`work` may be called again for an item whose connection was lost. Raises what it raises, ConnectionLost."""
        self._prepare(size_bytes)
        with _Carrying(self, deque(items), work, size_bytes) as carrying:
            carrying.run()

    def measure(self) -> None:
        """How long a round trip takes, at best."""
        asked_at = time.monotonic()
        self.channel.call("ping")
        self.round_trip_s = min(self.round_trip_s or 60.0, time.monotonic() - asked_at)

    def drop(self, channel: HostChannel) -> None:
        """A further connection that is of no use any more."""
        with suppress(ValueError):
            self.further.remove(channel)
        channel.close()

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        with self.change:
            self.may_open = False
        for channel in list(self.further):
            self.drop(channel)


class _Carrying(Generic[T]):
    def __init__(self, lanes: Lanes, items: deque[T], work: Work[T], size_bytes: int) -> None:
        self._lanes = lanes
        self._items = items
        self._work = work
        self._left_bytes = size_bytes
        self._change = lanes.change
        self._busy: dict[HostChannel, int] = {}
        self._employed: set[HostChannel] = set()
        self._moved_by_first = 0
        self._first_rests = lanes.is_near and is_worth_a_carrier(size_bytes) and lanes.may_open
        self._error: BaseException | None = None

    def run(self) -> None:
        """Until all is carried. Raises the first error."""
        lanes = self._lanes
        if self._first_rests:
            lanes.open(1)
        else:
            self._employ(lanes.channel)
        looks: deque[tuple[float, int]] = deque()
        rate = 0.0
        with self._change:
            while (self._items or self._busy) and self._error is None:
                self._employ_further()
                if self._items and not self._busy and not lanes.opening:
                    self._first_rests = False  # those that took its place are gone, or never came
                    self._employ(lanes.channel)
                self._change.wait(_LOOK_S)
                looks.append((time.monotonic(), self._moved_by_first))
                while len(looks) > 2 and looks[-1][0] - looks[1][0] >= _SPAN_S:
                    looks.popleft()
                since_s = looks[-1][0] - looks[0][0]
                if since_s >= _SPAN_S:
                    rate = max(rate, (looks[-1][1] - looks[0][1]) / since_s)
                self._ask_for_more(rate)
            if self._error is not None:
                raise self._error

    def _ask_for_more(self, rate: float) -> None:
        lanes = self._lanes
        if lanes.round_trip_s is not None and self._items:
            more = further_connections(Seen(lanes.round_trip_s, rate, self._left_bytes))
            lanes.worth = max(lanes.worth, more)
            if not lanes.further:  # what is there is employed; later ones would come too late
                lanes.open(more)

    def _employ_further(self) -> None:
        """Those that are there, as far as the link is worth them."""
        for channel in self._lanes.further[: self._lanes.worth or int(self._lanes.is_near)]:
            if channel not in self._employed and self._items:
                self._first_rests = self._lanes.is_near
                self._employ(channel)

    def _employ(self, channel: HostChannel) -> None:
        self._employed.add(channel)
        for number in range(1 if self._lanes.limit.is_set else _THREADS):
            self._busy[channel] = self._busy.get(channel, 0) + 1
            name = f"jobctl-carry-{channel.host}-{number}"
            threading.Thread(target=self._work_on, args=(channel,), name=name, daemon=True).start()

    def _work_on(self, channel: HostChannel) -> None:
        is_first = channel is self._lanes.channel
        try:
            while not (is_first and self._first_rests) and self._error is None:
                try:
                    item = self._items.popleft()
                except IndexError:
                    return
                try:
                    self._work(channel, item, lambda size: self._moved(size, is_first=is_first))
                except HostError as error:
                    if is_first:
                        raise
                    self._items.appendleft(item)
                    self._lanes.may_open = False
                    self._lanes.tell(f"a further connection was lost: {error.what}")
                    self._lanes.drop(channel)
                    return
        except _GivenUp:
            pass
        except BaseException as error:
            with self._change:
                self._error = self._error or error
        finally:
            with self._change:
                self._busy[channel] -= 1
                if not self._busy[channel]:
                    del self._busy[channel]
                self._change.notify_all()

    def _moved(self, size: int, *, is_first: bool) -> None:
        self._lanes.limit.take(size)
        with self._change:
            self._left_bytes -= size
            if is_first:
                self._moved_by_first += size
        if self._error is not None:
            raise _GivenUp

    def __enter__(self) -> _Carrying[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Whoever still works is told to stop, and stops at its next bytes or with its connection."""
        if value is not None and self._error is None:
            self._error = value
