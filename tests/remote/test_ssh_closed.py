"""What may still be said on a channel: nothing after its goodbye, until its number is given again."""

from __future__ import annotations

import pytest

from jobctl.remote.ssh.closed import ClosedChannels

WINDOW_ADJUST, DATA, EOF, CLOSE, REQUEST = 93, 94, 96, 97, 98
GLOBAL_REQUEST, OPEN = 80, 90


def packet(kind: int, number: int) -> bytes:
    return bytes([kind]) + number.to_bytes(4, "big") + b"rest"


@pytest.mark.parametrize("kind", [WINDOW_ADJUST, DATA, EOF, CLOSE, REQUEST])
def test_nothing_follows_a_goodbye_on_its_channel(kind: int) -> None:
    channels = ClosedChannels()
    assert channels.admits(packet(EOF, 7)) and channels.admits(packet(CLOSE, 7))
    assert not channels.admits(packet(kind, 7))
    assert channels.admits(packet(kind, 8))


def test_a_number_that_is_given_again_is_a_new_channel() -> None:
    channels = ClosedChannels()
    channels.admits(packet(CLOSE, 0))
    channels.opened(0)
    assert channels.admits(packet(DATA, 0)) and channels.admits(packet(CLOSE, 0))
    assert not channels.admits(packet(EOF, 0))


@pytest.mark.parametrize("kind", [GLOBAL_REQUEST, OPEN])
def test_what_belongs_to_no_channel_always_may_be_said(kind: int) -> None:
    channels = ClosedChannels()
    channels.admits(packet(CLOSE, 1))
    assert channels.admits(packet(kind, 1))
