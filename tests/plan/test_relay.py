"""When hosts get a tree from each other."""

from __future__ import annotations

import pytest

from jobctl.plan.relay import hop_loses, relay_wins

BIG, SMALL = 200_000_000, 1_000_000


@pytest.mark.parametrize(
    ("lacking", "having", "size_bytes", "wins"),
    [
        (1, 0, BIG, False),
        (2, 0, BIG, True),
        (1, 1, BIG, True),
        (0, 8, BIG, False),
        (8, 0, SMALL, False),
    ],
)
def test_a_tree_is_passed_on_where_it_would_leave_the_laptop_more_often_than_needed(
    lacking: int, having: int, size_bytes: int, wins: bool
) -> None:
    assert relay_wins(lacking, having, size_bytes) == wins


@pytest.mark.parametrize(
    ("hop", "uplink", "lacking", "loses"),
    [
        (125e6, 25e6, 7, False),
        (1e6, 25e6, 1, True),
        (1e6, 25e6, 8, True),
        (3e6, 25e6, 8, False),
        (20e6, 25e6, 1, False),
    ],
)
def test_a_hop_is_given_up_where_the_rest_comes_twice_as_soon_from_the_laptop(
    hop: float, uplink: float, lacking: int, loses: bool
) -> None:
    assert hop_loses(hop, uplink, lacking) == loses
