"""The same tree for several hosts: sent once from here, and passed on from host to host while it arrives.

The hosts form a chain, in the order of the inventory; one that has the tree already is its head, and then nothing is
sent from here at all. For each hop the receiving host listens, and the one before it connects (`host/relay.py`). When a
hop has ended, however it has, the host is sent what it still lacks over its own connection: that is the whole fallback.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from jobctl.errors import ChangedHostKey, JobctlError, TransferError
from jobctl.laptop.tree_source import TreeSource
from jobctl.plan.relay import WORTH_BYTES, hop_loses, relay_wins
from jobctl.remote.answers import Answer
from jobctl.remote.channel import Exchange, HostChannel
from jobctl.remote.fanout import Outcome, ask_each, in_order
from jobctl.remote.relay_keys import Identity, keys_for, make_identity
from jobctl.remote.sync import Sent, send_tree

_LOOK_S = 0.05
_END_S = 2.0
_PACE_S = 3.0  # a shorter look at a line says little

Progress = Callable[[str, int, int], None]
"""Called with (what is sent and where to, bytes sent, bytes to send)."""
Outcomes = list[Outcome[HostChannel, Sent]]


@dataclass(frozen=True)
class Told:
    """Who is told of a transfer. `label`: what is sent."""

    label: str
    note: Callable[[str], None] = lambda message: None
    progress: Progress = lambda label, done, total: None


def send_to_all(channels: Sequence[HostChannel], tree: TreeSource, told: Told, *, direct: bool = False) -> Outcomes:
    """Make all hosts have `tree`; outcomes in the order of the hosts. `direct`: never from host to host.

    The error of a host is its outcome: ChangedHostKey where somebody else answered in its place, and what `send_tree`
    raises.
    """
    if len(channels) == 1:
        return in_order(ask_each(channels, lambda channel: _send(channel, tree, told, alone=True)))
    digest = tree.manifest.digest
    offers = in_order(
        ask_each(channels, lambda channel: bool(channel.call("tree_offer", digest=digest).header["known"]))
    )
    having = [offer.item for offer in offers if offer.answer]
    lacking = [offer.item for offer in offers if not offer.answer and not offer.error]
    if direct or not relay_wins(len(lacking), len(having), tree.manifest.size_bytes):
        sent = ask_each(lacking, lambda channel: _send(channel, tree, told))
    else:
        chain = _Chain(having[:1], lacking, tree, told)
        told.note(chain.way)
        sent = ask_each(lacking, chain.serve)
    found = {outcome.item.host: outcome for outcome in sent}
    known = Sent(digest, 0, 0)
    return [
        Outcome(offer.index, offer.item, known, offer.error)
        if offer.answer or offer.error
        else Outcome(offer.index, offer.item, found[offer.item.host].answer, found[offer.item.host].error)
        for offer in offers
    ]


def _send(channel: HostChannel, tree: TreeSource, told: Told, *, alone: bool = False) -> Sent:
    label = told.label if alone else f"{told.label} to {channel.host}"
    return send_tree(channel, tree, lambda done, total: told.progress(label, done, total))


@dataclass
class _Place:
    """A host of the chain. `ready`: it has said where it can be reached, or that it cannot. `whole`: it has the tree.
    `out`: it gets no more of it.
    """

    channel: HostChannel
    identity: Identity = field(default_factory=make_identity)
    ready: threading.Event = field(default_factory=threading.Event)
    has_manifest: bool = False
    whole: bool = False
    out: bool = False


class _Pace:
    """How fast a hop is, from when on nothing holds it up but itself."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None
        self.bytes_per_s: float | None = None

    def see(self, done: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began = now, done
        elif now - self._began[0] > _PACE_S:
            self.bytes_per_s = (done - self._began[1]) / (now - self._began[0])


class _Chain:
    """`head`: a host that has the tree, if any does. `lacking`: those that it goes to, one after another."""

    def __init__(
        self, head: Sequence[HostChannel], lacking: Sequence[HostChannel], tree: TreeSource, told: Told
    ) -> None:
        self._places = [_Place(channel) for channel in (*head, *lacking)]
        self._has_head = bool(head)
        self._tree = tree
        self._told = told
        self._digest = tree.manifest.digest
        self._manifest = zlib.compress(tree.manifest.data, 1)
        self._places[0].ready.set()
        self._places[0].whole = bool(head)
        self._uplink_bytes_per_s: float | None = None

    @property
    def way(self) -> str:
        """In words."""
        names = " -> ".join(place.channel.host for place in self._places)
        first = f"{self._places[0].channel.host} has it, and passes it" if self._has_head else "sent once, then passed"
        return f"{self._told.label}: {first} on from host to host: {names}"

    def serve(self, channel: HostChannel) -> Sent:
        """Make one of the lacking hosts have the tree. Raises what `send_tree` raises, and ChangedHostKey."""
        number = next(index for index, place in enumerate(self._places) if place.channel is channel)
        place = self._places[number]
        try:
            if number > 0:
                self._serve_by(self._places[number - 1], place)
            began = time.monotonic()
            sent = _send(channel, self._tree, self._told)
            if sent.size_bytes >= WORTH_BYTES:
                self._uplink_bytes_per_s = sent.size_bytes / (time.monotonic() - began)
            place.whole = True
            return sent
        except BaseException:
            place.out = True
            raise
        finally:
            place.ready.set()

    def _serve_by(self, before: _Place, place: _Place) -> None:
        """As far as that goes. Raises ChangedHostKey, and ConnectionLost where the host itself is gone."""
        name = place.channel.host
        try:
            self._hop(before, place)
        except ChangedHostKey as error:
            error.where = f"{name}, {error.where}"
            raise
        except JobctlError as error:
            if place.channel.lost:
                raise place.channel.lost from None
            self._told.note(
                f"{before.channel.host} cannot pass {self._told.label} on to {name}: {error.what}; "
                f"{name} gets what it lacks from here"
            )
        finally:
            place.ready.set()

    def _hop(self, before: _Place, place: _Place) -> None:
        """Until `place` has it all from `before`. Raises JobctlError."""
        keys = keys_for(place.identity, before.identity)
        with place.channel.exchange("relay_receive", self._manifest, digest=self._digest, keys=keys) as receiving:
            answer = Answer(place.channel.host, receiving.receive().header)
            address, port = answer.text("address"), answer.integer("port")
            place.has_manifest = True
            place.ready.set()
            before.ready.wait()
            manifest = b"" if before.has_manifest else self._manifest
            keys = keys_for(before.identity, place.identity)
            with before.channel.exchange(
                "relay_pass", manifest, digest=self._digest, keys=keys, address=address, port=port
            ) as passing:
                try:
                    self._watch(before, passing, receiving, f"{self._told.label} to {place.channel.host}")
                except JobctlError:
                    _give_up(receiving)
                    raise

    def _watch(self, before: _Place, passing: Exchange, receiving: Exchange, label: str) -> None:
        """Until the receiving host says that it has all of it. Raises what either host says of an error."""

        pace = _Pace()

        def passes(timeout_s: float) -> bool:
            passed = passing.receive(timeout_s).header
            answer = Answer(before.channel.host, passed)
            self._told.progress(label, answer.integer("passed"), answer.integer("total"))
            if before.whole:
                pace.see(answer.integer("passed"))
            return bool(passed.get("more"))

        more = True
        while not before.out:
            with suppress(TimeoutError):
                more = more and passes(_LOOK_S)
            if more:
                self._check(pace)
            with suppress(TimeoutError):
                if not receiving.receive(_LOOK_S).header.get("more"):
                    break
        else:
            raise TransferError("it does not get it itself", where=before.channel.host)
        with suppress(TimeoutError, JobctlError):  # it has it, whatever becomes of the other
            while more:
                more = passes(_END_S)

    def _check(self, pace: _Pace) -> None:
        """Raises TransferError where the rest comes sooner from here."""
        lacking = sum(not place.whole and not place.out for place in self._places)
        hop, uplink = pace.bytes_per_s, self._uplink_bytes_per_s
        if hop is not None and uplink is not None and hop_loses(hop, uplink, lacking):
            raise TransferError(f"{hop / 1e6:.1f} MB/s between them, {uplink / 1e6:.1f} MB/s from here")


def _give_up(receiving: Exchange) -> None:
    """Whatever it still waits for, before it is sent the rest from here."""
    try:
        receiving.send(cancel=True)
        while receiving.receive(_END_S).header.get("more"):
            pass
    except (JobctlError, TimeoutError):
        return
