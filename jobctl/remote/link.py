"""How many connections a link is worth, by what it shows. PURE.

SSH lets a sender run ahead by a window, 2 MiB in OpenSSH and in paramiko: on a long fast link one connection is held by
it to a window a round trip, 31 to 34 MB/s at 50 ms (OpenSSH 9.2), and four are more than twice as fast. Where the link
itself is what holds it, further connections only cost.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_BYTES = 2 << 20
MOST_FURTHER = 4
"""Connections beside the first; sshd begins to drop at ten that log in at once (MaxStartups)."""
NEAR_S = 0.010
_NEAR_WORTH_BYTES = 48 << 20
_OPENING_S = 0.8
_HELD = 0.5
"""Of the window: what is under way at once on a connection that is held by it, or about to be (slow start)."""


@dataclass(frozen=True)
class Seen:
    """`rate`: bytes a second of the first connection at its best so far; `left_bytes`: still to be carried."""

    round_trip_s: float
    rate: float
    left_bytes: int


def is_near(round_trip_s: float) -> bool:
    """On such a link the program that carries the bytes is what is slow: one OpenSSH process is best."""
    return round_trip_s < NEAR_S


def is_worth_a_carrier(size_bytes: int) -> bool:
    """Whether so much is there sooner when one waits for a faster connection, on a near link."""
    return size_bytes >= _NEAR_WORTH_BYTES


def further_connections(seen: Seen) -> int:
    """How many beside the first."""
    if is_near(seen.round_trip_s):
        return 1 if is_worth_a_carrier(seen.left_bytes) else 0
    if seen.rate * seen.round_trip_s < _HELD * WINDOW_BYTES:
        return 0
    done_alone_in_s = seen.left_bytes / seen.rate
    return min(MOST_FURTHER, int(done_alone_in_s / _OPENING_S))


def connections_to_expect(round_trip_s: float, size_bytes: int) -> int:
    """How many beside the first may turn out to be worth it, before any rate was seen: on a link so fast that the
    window holds the first. To open them takes a second, which passes beside whatever else is waited for."""
    return further_connections(Seen(round_trip_s, WINDOW_BYTES / max(round_trip_s, 1e-6), size_bytes))
