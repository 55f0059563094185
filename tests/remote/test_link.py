"""How many connections a transfer is worth, by what the link shows."""

from __future__ import annotations

import pytest

from jobctl.remote.link import MOST_FURTHER, Seen, connections_to_expect, further_connections

MB = 1_000_000
CASES = {
    "loopback, a gigabyte: one carrier that is faster": (0.0002, 90 * MB, 1000 * MB, 1),
    "loopback, little: the one that is there": (0.0002, 90 * MB, 20 * MB, 0),
    "100 Mbit/s at 50 ms: the link holds it": (0.050, 12 * MB, 1000 * MB, 0),
    "1 Gbit/s at 50 ms: the window holds it": (0.050, 31 * MB, 268 * MB, MOST_FURTHER),
    "the same, soon done": (0.050, 31 * MB, 20 * MB, 0),
    "the same, half done": (0.050, 31 * MB, 64 * MB, 2),
    "200 ms, held by the window": (0.200, 8 * MB, 268 * MB, MOST_FURTHER),
    "a slow link far away": (0.200, 1 * MB, 268 * MB, 0),
    "nothing seen yet": (0.050, 0, 268 * MB, 0),
}
EXPECTED = {
    "loopback, a gigabyte": (0.0002, 1000 * MB, 1),
    "loopback, little": (0.0002, 20 * MB, 0),
    "far, much": (0.050, 268 * MB, MOST_FURTHER),
    "far, some": (0.050, 67 * MB, 1),
    "far, little": (0.050, 20 * MB, 0),
    "no time at all": (0.0, 20 * MB, 0),
}


@pytest.mark.parametrize(("round_trip_s", "rate", "left_bytes", "further"), CASES.values(), ids=CASES.keys())
def test_connections_are_used_where_the_window_and_not_the_link_holds_the_first(
    round_trip_s: float, rate: float, left_bytes: int, further: int
) -> None:
    assert further_connections(Seen(round_trip_s, rate, left_bytes)) == further


@pytest.mark.parametrize(("round_trip_s", "size_bytes", "further"), EXPECTED.values(), ids=EXPECTED.keys())
def test_connections_are_opened_beforehand_where_the_size_and_the_distance_may_be_worth_them(
    round_trip_s: float, size_bytes: int, further: int
) -> None:
    assert connections_to_expect(round_trip_s, size_bytes) == further
