"""Sends a tree of files over the host channel: only what the host does not have, each content once.

One round trip where the host has the tree, or has it but for a small change; else two, and the bytes.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobctl.laptop.tree_source import TreeSource
from jobctl.plan.manifest import Base, Delta, Entry
from jobctl.remote.answers import Answer
from jobctl.remote.bulk import Bulk, send_bulk
from jobctl.remote.channel import Exchange, HostChannel
from jobctl.remote.lanes import Lanes
from jobctl.remote.packing import FRAME_BYTES, Pace, frames, pack
from jobctl.remote.spans import SMALL_BYTES

_AHEAD = 16  # frames under way that the host has not confirmed
_UNASKED_BYTES = 1 << 20
"""A longer list of files is not sent before the host has said that it does not know the tree."""
_BULKY_BYTES = 64 << 20
_LARGE_BYTES = 8 << 20

Progress = Callable[[int, int], None]
"""Called with (bytes sent, bytes to send)."""


@dataclass(frozen=True)
class Sent:
    """What a transfer took."""

    digest: str
    files: int
    size_bytes: int


def send_tree(
    channel: HostChannel,
    tree: TreeSource,
    progress: Progress = lambda done, total: None,
    lanes: Lanes | None = None,
    *,
    look: bool = False,
) -> Sent:
    """Make the host have `tree`; much goes over several connections (`lanes`). Raises TransferError, HostErrors.

    What arrived before a failure stays and is not sent again. With `look` the host looks at each content that it has;
    else it does so when it lays the tree out (TreeGone).
    """
    digest = tree.manifest.digest
    if _is_likely_there(tree) and channel.call("tree_offer", digest=digest).header.get("known"):
        return Sent(digest, 0, 0)
    base = None if look else tree.base
    new = [tree.manifest.entry(index) for index, _ in base.delta.add] if base else tree.manifest.entries
    first = Bulk(0, 0)
    if _is_bulky(new):
        with contextlib.ExitStack() as stack:
            first = send_bulk(lanes or stack.enter_context(Lanes(channel)), tree, progress)
    rest = _send_rest(channel, tree, base, progress)
    return Sent(digest, first.files + rest.files, first.size_bytes + rest.size_bytes)


def _is_bulky(entries: Sequence[Entry]) -> bool:
    """Else they go with the list of files: packed, compressed where it helps, in fewer round trips."""
    sizes = [entry.size for entry in entries if entry.kind != "l"]
    return sum(sizes) >= _BULKY_BYTES or sum(size for size in sizes if size > SMALL_BYTES) >= _LARGE_BYTES


def _send_rest(channel: HostChannel, tree: TreeSource, base: Base | None, progress: Progress) -> Sent:
    digest = tree.manifest.digest
    if base is None:
        with channel.exchange("tree_send", zlib.compress(tree.manifest.data, 1), digest=digest) as exchange:
            return _answer(channel.host, exchange, tree, {}, progress)
    guess = _guess(tree, base.delta)
    packed = zlib.compress(base.delta.as_bytes(), 1)
    fields: dict[str, Any] = {"digest": digest, "base": base.digest}
    with channel.exchange("tree_send", packed, **fields, **({"guessed": True} if guess else {})) as exchange:
        guessed: dict[Entry, int] = {}
        for parts, payload in frames(tree, guess):
            exchange.send(payload, parts=parts)
            guessed = guess
        return _answer(channel.host, exchange, tree, guessed, progress)


def _is_likely_there(tree: TreeSource) -> bool:
    return not tree.is_new or (tree.base is None and len(tree.manifest.data) > _UNASKED_BYTES)


def _guess(tree: TreeSource, delta: Delta) -> dict[Entry, int]:
    """What has changed, where it fits into one frame: the host will hardly have that from elsewhere."""
    found: dict[Entry, int] = {}
    left = FRAME_BYTES
    for index, _ in delta.add:
        entry = tree.manifest.entry(index)
        left -= entry.size if entry.kind != "l" else 0
        if left < 0:
            return {}
        if entry.kind != "l":
            found[entry] = index
    return found


def _answer(host: str, exchange: Exchange, tree: TreeSource, guessed: dict[Entry, int], progress: Progress) -> Sent:
    """What the host says to a list of files, and what it wants of them. `guessed`: sent already."""
    asked = time.monotonic()
    reply = exchange.receive()
    round_trip_s = max(0.0, time.monotonic() - asked - float(reply.header.get("took_s") or 0.0))
    if reply.header.get("need"):
        exchange.send(zlib.compress(tree.manifest.data, 1))
        reply = exchange.receive()
    entries: dict[Entry, int] = {}
    if reply.header.get("more"):
        missing = Answer(host, reply.header).indexes("missing", len(tree.manifest.lines))
        entries = {tree.manifest.entry(index): index for index in missing}
        total = sum(entry.size for entry in entries)
        progress(0, total)  # a rate is measured from here on
        _send_contents(host, exchange, tree, entries, total, Pace(round_trip_s), progress)
    sent = {**guessed, **entries}
    return Sent(tree.manifest.digest, len(sent), sum(entry.size for entry in sent))


def _send_contents(
    host: str,
    exchange: Exchange,
    tree: TreeSource,
    indexes: dict[Entry, int],
    total: int,
    pace: Pace,
    progress: Progress,
) -> None:
    travelled: list[int] = []
    confirmed = 0

    def hear() -> bool:
        nonlocal confirmed
        header = exchange.receive().header
        if not header.get("more"):
            return False
        confirmed += 1
        pace.received(travelled[confirmed - 1])
        progress(Answer(host, header).integer("received"), total)
        return True

    for parts, payload in frames(tree, indexes):
        fields, packed = pack(payload, pace)
        exchange.send(packed, parts=parts, **fields)
        travelled.append(len(packed) + (travelled[-1] if travelled else 0))
        if len(travelled) - confirmed > _AHEAD:
            hear()
    while hear():
        pass
