"""How far the host's clock is off, from one question and its answer. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Offset(NamedTuple):
    """Seconds that the host's clock is ahead of ours, and how sure that is: plus or minus `error_s`."""

    offset_s: float
    error_s: float


def clock_offset(asked_at: float, received_at: float, answered_at: float, heard_at: float) -> Offset:
    """As NTP does it (RFC 5905, section 8): the way there and back is taken out, whatever the host needed to answer.

    `asked_at` and `heard_at` by our clock, the others by the host's.
    """
    way_s = (heard_at - asked_at) - (answered_at - received_at)
    offset_s = ((received_at - asked_at) + (answered_at - heard_at)) / 2
    return Offset(offset_s, max(0.0, way_s / 2))
