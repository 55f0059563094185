"""Which channels we have said goodbye on. Pure: packets in, a verdict out.

paramiko (5.1.0) makes a message under the channel's lock and sends it after it let go of that lock, so another thread's
goodbye may pass it. OpenSSH (9.2) hangs up on such a message: "ieof packet referred to nonexistent channel 0".
"""

from __future__ import annotations

from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_FAILURE, MSG_CHANNEL_WINDOW_ADJUST


class ClosedChannels:
    """By the peer's numbers, which it gives again to later channels."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()

    def opened(self, number: int) -> None:
        """The peer has opened a channel under this number."""
        self._numbers.discard(number)

    def admits(self, packet: bytes) -> bool:
        """Whether `packet` may still be sent. A CLOSE (RFC 4254, 5.3) is the last one of its channel."""
        kind = packet[0]
        if not MSG_CHANNEL_WINDOW_ADJUST <= kind <= MSG_CHANNEL_FAILURE:
            return True
        number = int.from_bytes(packet[1:5], "big")
        if number in self._numbers:
            return False
        if kind == MSG_CHANNEL_CLOSE:
            self._numbers.add(number)
        return True
