"""A TCP proxy between client and server that can make the way longer, and counts what goes over it.

Round trips are counted as causality: what the client sends carries one more than the highest number that has reached
it, what the server sends carries the highest number that has reached it. The highest number at the end is how many
trips had to wait for one another, over all connections, each connection's TCP handshake included. Bytes that merely
cross on the way (window updates beside a long upload) do not count, as long as `one_way_s` is longer than the
machine's own hesitation.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass
from types import TracebackType

CHUNK_BYTES = 256 * 1024
BUFFER_S = 0.05
"""How much of the line's time may wait before it, as in a router."""


@dataclass
class Counts:
    """What went over the proxy since the last `take()`. Round trips mean something only with a delay."""

    connections: int = 0
    round_trips: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class CountingProxy:
    """Listens on `port` and passes on to `upstream`, both of 127.0.0.1. `one_way_s` and `bytes_per_s` may change at any
    time; the latter is each way's, for all connections together (None: as fast as it goes).
    """

    def __init__(self, upstream: int, one_way_s: float = 0.0, bytes_per_s: float | None = None) -> None:
        self.one_way_s = one_way_s
        self.bytes_per_s = bytes_per_s
        self._free_at = {True: 0.0, False: 0.0}
        self._upstream = upstream
        self._counts = Counts()
        self._at_client = 0
        self._at_server = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> CountingProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def take(self) -> Counts:
        """What was counted since the last call; starts again at zero. Nothing should be on the way then."""
        taken, self._counts = self._counts, Counts()
        taken.round_trips = self._at_client
        self._at_client = self._at_server = 0
        return taken

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.close()

    async def _listen(self) -> None:
        async with await asyncio.start_server(self._serve, sock=self._listener):
            await self._end.wait()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._counts.connections += 1
        await asyncio.sleep(2 * self.one_way_s)  # the TCP handshake
        self._at_client += 1
        server, to_server = await asyncio.open_connection("127.0.0.1", self._upstream)
        with contextlib.suppress(asyncio.CancelledError):  # streams of Python 3.11 complain of a cancelled server
            await asyncio.gather(self._carry(client, to_server, up=True), self._carry(server, to_client, up=False))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
        sink.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        on_the_way: asyncio.Queue[tuple[float, int, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(on_the_way, sink, up=up))
        data = b"?"
        while data:
            try:
                data = await source.read(CHUNK_BYTES)
            except ConnectionError:
                data = b""
            stamp = self._at_client + 1 if up else self._at_server
            on_the_way.put_nowait((await self._left_at(len(data), up) + self.one_way_s, stamp, data))
            if up:
                self._counts.bytes_up += len(data)
            else:
                self._counts.bytes_down += len(data)
        await delivery

    async def _left_at(self, size: int, up: bool) -> float:
        """When so many bytes will be in the line: after all that is before them. Who is far ahead waits here."""
        now = self._loop.time()
        if self.bytes_per_s is None:
            return now
        self._free_at[up] = free_at = max(now, self._free_at[up]) + size / self.bytes_per_s
        await asyncio.sleep(free_at - now - BUFFER_S)
        return free_at

    async def _deliver(
        self, on_the_way: asyncio.Queue[tuple[float, int, bytes]], sink: asyncio.StreamWriter, *, up: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                due, stamp, data = await on_the_way.get()
                await asyncio.sleep(due - self._loop.time())
                if not data:
                    break
                if up:
                    self._at_server = max(self._at_server, stamp)
                else:
                    self._at_client = max(self._at_client, stamp)
                sink.write(data)
                await sink.drain()
        sink.close()
