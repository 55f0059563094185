"""Sends a tree of files over the host channel: only what the host does not have, each content once."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobctl.laptop.tree_source import TreeSource
from jobctl.plan.manifest import Entry
from jobctl.remote.answers import Answer
from jobctl.remote.bulk import send_bulk
from jobctl.remote.channel import Exchange, HostChannel
from jobctl.remote.lanes import Lanes

_FRAME = 1 << 20  # bytes of contents in one frame; small files are packed together
_AHEAD = 16  # frames under way that the host has not confirmed

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
) -> Sent:
    """Make the host have `tree`. One round trip where it has it already; much goes over several connections (`lanes`).

    Raises TransferError, NoSpace, ConnectionLost. What arrived before a failure stays and is not sent again.
    """
    digest = tree.manifest.digest()
    if channel.call("tree_offer", digest=digest).header.get("known"):
        return Sent(digest, 0, 0)
    with contextlib.ExitStack() as stack:
        first = send_bulk(lanes or stack.enter_context(Lanes(channel)), tree, progress)
    rest = _send_rest(channel, tree, digest, progress)
    return Sent(digest, first.files + rest.files, first.size_bytes + rest.size_bytes)


def _send_rest(channel: HostChannel, tree: TreeSource, digest: str, progress: Progress) -> Sent:
    manifest = zlib.compress(tree.manifest.as_bytes(), 1)
    with channel.exchange("tree_send", manifest, digest=digest) as exchange:
        told = Answer(channel.host, exchange.receive().header)
        missing = told.indexes("missing", len(tree.manifest.entries))
        entries = [tree.manifest.entries[index] for index in missing]
        total = sum(entry.size for entry in entries)
        if total:
            progress(0, total)  # a rate is measured from here on
        _send_contents(channel.host, exchange, tree, dict(zip(entries, missing, strict=True)), total, progress)
        exchange.send(done=True)
        while exchange.receive().header.get("more"):
            pass
    return Sent(digest, len(entries), total)


def _send_contents(
    host: str, exchange: Exchange, tree: TreeSource, indexes: dict[Entry, int], total: int, progress: Progress
) -> None:
    ahead = 0
    done = 0
    for parts, payload in _frames(tree, indexes):
        exchange.send(payload, parts=parts)
        ahead += 1
        if ahead > _AHEAD:
            done = Answer(host, exchange.receive().header).integer("received")
            ahead -= 1
            progress(done, total)
    for _ in range(ahead):
        done = Answer(host, exchange.receive().header).integer("received")
        progress(done, total)


def _frames(tree: TreeSource, indexes: dict[Entry, int]) -> Iterator[tuple[list[list[int]], bytes]]:
    """Contents packed into frames: ([[index, length], ...], bytes)."""
    parts: list[list[int]] = []
    buffer = bytearray()
    for entry, pieces in tree.contents(indexes):
        if not entry.size:
            parts.append([indexes[entry], 0])
        for piece in pieces:
            view = memoryview(piece)
            while view:
                taken = view[: _FRAME - len(buffer)]
                parts.append([indexes[entry], len(taken)])
                buffer += taken
                view = view[len(taken) :]
                if len(buffer) >= _FRAME:
                    yield parts, bytes(buffer)
                    parts, buffer = [], bytearray()
    if parts:
        yield parts, bytes(buffer)
