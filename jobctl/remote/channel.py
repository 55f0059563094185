"""The laptop's side of the host channel: requests and replies as frames over one stream.

channel = open_host_channel(transport, root="~/jobctl", python="python3")
channel.call("status", run_id="...")            one question, one answer
with channel.exchange("log", ...) as exchange:  an answer of many frames
    for header, payload in exchange: ...
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple

from jobctl.errors import ConnectionLost
from jobctl.host.frames import BEAT_S, SILENCE_S, FrameError, Header, encode_head, read_frame
from jobctl.remote.bootstrap import Started, bootstrap
from jobctl.remote.refusals import make_host_error
from jobctl.remote.transport import ByteStream, Transport

_LAST_WORDS_S = 2.0  # for reading what a host has still said, once it takes no more
_PIECE = 64 << 10
_WINDOW = 64  # frames of one exchange that may wait to be read; the stream itself stops beyond that


class Reply(NamedTuple):
    header: Header
    payload: bytes


class HostChannel:
    """Frames over one stream, for one host. Safe for use by several threads."""

    def __init__(self, started: Started, host: str, transport: Transport | None = None) -> None:
        self.host = host
        self.in_bulk = transport is not None and transport.in_bulk
        self._transport = transport
        """Ours alone, to be closed with the channel."""
        self._stream = started.stream
        self._reader = _ExactReader(started.stream, started.rest, self._hear)
        self._write = threading.Lock()
        self._open: dict[int, queue.Queue[Reply]] = {}
        self._next_id = 1
        self._heard = time.monotonic()
        self._lost: ConnectionLost | None = None
        self._closed = threading.Event()
        self.another: Callable[[], HostChannel | None] = lambda: None
        """Opens a further channel to the same host, over a connection of its own, for bytes in bulk; None where that is
        not to be had. Asks nobody; takes as long as connecting does. Raises HostErrors."""
        self.round_trips = 0
        """Requests sent and answered, for benchmarks."""
        self._reading = threading.Thread(target=self._read_replies, daemon=True, name=f"jobctl-read-{host}")
        self._reading.start()
        threading.Thread(target=self._beat, daemon=True, name=f"jobctl-beat-{host}").start()

    def call(self, op: str, payload: bytes = b"", **params: Any) -> Reply:
        """One request with one reply. Raises what the host answers as an error, or ConnectionLost."""
        with self.exchange(op, payload, **params) as exchange:
            return exchange.receive()

    def exchange(self, op: str, payload: bytes = b"", *, window: int = _WINDOW, **params: Any) -> Exchange:
        """A request whose replies are read one by one, and to which frames can be added.

        `window`: how many of its replies may wait to be read; large ones fill memory.
        """
        with self._write:
            key, self._next_id = self._next_id, self._next_id + 1
            replies: queue.Queue[Reply] = queue.Queue(maxsize=window)
            self._open[key] = replies
        self.round_trips += 1
        exchange = Exchange(self, key, replies)
        self.send({"id": key, "op": op, **params}, payload)
        return exchange

    def send(self, header: Header, payload: bytes = b"") -> None:
        if self._lost:
            raise self._lost
        head = encode_head(header, len(payload))
        try:
            with self._write:
                if len(payload) < _PIECE:
                    self._stream.write(head + payload)
                else:
                    self._stream.write(head)
                    self._stream.write(payload)
        except ConnectionLost as error:
            # What the host said before it went tells more than that it takes no more; it may still be on its way here.
            if threading.current_thread() is not self._reading:
                self._reading.join(timeout=_LAST_WORDS_S)
            self._fail(error)
            raise self._lost or error from None

    def forget(self, key: int) -> None:
        self._open.pop(key, None)

    @property
    def lost(self) -> ConnectionLost | None:
        return self._lost

    def close(self) -> None:
        self._closed.set()
        self._fail(ConnectionLost("the channel was closed", where=self.host))
        self._stream.close()
        if self._transport:
            self._transport.close()

    def __enter__(self) -> HostChannel:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _hear(self) -> None:
        self._heard = time.monotonic()

    def _fail(self, error: ConnectionLost) -> None:
        if self._lost is None:
            self._lost = error

    def _read_replies(self) -> None:
        try:
            while (frame := read_frame(self._reader.read)) is not None:
                self._deliver(Reply(*frame))
            self._fail(ConnectionLost("the host closed the connection", where=self.host))
        except ConnectionLost as error:
            self._fail(error)
        except FrameError as error:
            self._fail(ConnectionLost(f"the host sent something that is not our protocol: {error}", where=self.host))

    def _deliver(self, reply: Reply) -> None:
        replies = self._open.get(reply.header.get("id", 0))
        while replies is not None and not self._lost:
            try:
                return replies.put(reply, timeout=1.0)
            except queue.Full:
                # The reader of this exchange is slow. It may also have gone meanwhile.
                self._hear()
                replies = self._open.get(reply.header.get("id", 0))

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_S) and not self._lost:
            if time.monotonic() - self._heard > SILENCE_S:
                self._fail(
                    ConnectionLost(
                        f"nothing came from the host for {SILENCE_S:.0f} s",
                        where=self.host,
                        hint="what runs on the host goes on without us",
                    )
                )
                self._stream.close()
                return
            try:
                self.send({"id": 0})
            except ConnectionLost:
                return


class Exchange:
    """One request in flight. Iterating gives replies until the last one."""

    def __init__(self, channel: HostChannel, key: int, replies: queue.Queue[Reply]) -> None:
        self._channel = channel
        self._key = key
        self._replies = replies
        self._ended = False

    def send(self, payload: bytes = b"", **fields: Any) -> None:
        """Another frame for this request."""
        self._channel.send({"id": self._key, **fields}, payload)

    def receive(self, timeout_s: float | None = None) -> Reply:
        """The next reply. Raises TimeoutError after `timeout_s`, the host's error, or ConnectionLost."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        reply: Reply | None = None
        while reply is None:
            try:
                reply = self._replies.get(timeout=0.25)
            except queue.Empty:
                if self._channel.lost and self._replies.empty():
                    self._ended = True
                    raise self._channel.lost from None
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError from None
        self._ended = not reply.header.get("more")
        if "error" in reply.header:
            raise make_host_error(self._channel.host, reply.header["error"])
        return reply

    def __iter__(self) -> Iterator[Reply]:
        while not self._ended:
            yield self.receive()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._channel.forget(self._key)
        if not self._ended and not self._channel.lost:
            try:
                self._channel.send({"id": self._key, "cancel": True})
            except ConnectionLost:
                pass


class _ExactReader:
    """`read(n)` that gives n bytes, or fewer at the end, over a stream that gives what it has.

    Each piece counts as a sign of life (`heard`): on a slow line one frame takes longer than the silence we bear.
    """

    def __init__(self, stream: ByteStream, already: bytes, heard: Callable[[], None]) -> None:
        self._stream = stream
        self._heard = heard
        self._ahead = memoryview(bytearray(_PIECE))
        self._rest = memoryview(already)

    def read(self, size: int) -> bytes:
        """What is large is read to where it stays: each further copy costs as much as the network's."""
        if size <= len(self._rest):
            return self._take(size)
        data = bytearray(size)
        with memoryview(data) as room:
            got = len(self._rest)
            room[:got] = self._take(got)
            while got < size:
                large = size - got >= _PIECE
                count = self._stream.read_into(room[got:] if large else self._ahead)
                if not count:
                    break
                self._heard()
                if not large:
                    self._rest = self._ahead[:count]
                    count = min(count, size - got)
                    room[got : got + count] = self._take(count)
                got += count
        del data[got:]
        return data  # type: ignore[return-value]  # as good as bytes to who receives

    def _take(self, size: int) -> bytes:
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


def open_host_channel(transport: Transport, *, root: str, python: str) -> HostChannel:
    """Bootstrap the host program and open the channel. Raises what `bootstrap` raises."""
    channel = HostChannel(bootstrap(transport, root=root, python=python), transport.name)
    channel.another = partial(_open_another, transport, root, python)
    return channel


def _open_another(transport: Transport, root: str, python: str) -> HostChannel | None:
    further = transport.another()
    if further is None:
        return None
    try:
        return HostChannel(bootstrap(further, root=root, python=python), further.name, further)
    except BaseException:
        further.close()
        raise
