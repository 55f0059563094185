"""Whether hosts that lack the same tree get it from each other. PURE."""

from __future__ import annotations

WORTH_BYTES = 8_000_000
"""To set up a hop takes about four round trips; a smaller tree is sent sooner than that to a few hosts."""


def relay_wins(lacking: int, having: int, size_bytes: int) -> bool:
    """`lacking`, `having`: hosts without and with the tree. From two that lack it on the same bytes would leave this
    machine more than once, and where one has it already none need to.
    """
    return size_bytes >= WORTH_BYTES and lacking >= 1 and lacking + having >= 2


def hop_loses(hop_bytes_per_s: float, uplink_bytes_per_s: float, lacking: int) -> bool:
    """Whether a hop is so slow that its host gets the rest sooner from this machine, which `lacking` hosts then share.

    Twice as soon at least: what is seen of either line is rough, and the uplink is somebody's who works.
    """
    return hop_bytes_per_s < uplink_bytes_per_s / max(1, lacking) / 2
