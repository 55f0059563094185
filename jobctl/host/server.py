"""The host's side of the channel: reads requests, answers each in a thread of its own.

A request is `{"id": 7, "op": "status", ...}`; replies carry the id, and `more: true` while others follow. Frames that
carry the id of a running request and no `op` belong to it (file contents that are sent up, or `cancel: true`).
"""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
import traceback
from typing import Any, BinaryIO, Callable, Dict, Optional

from .frames import BEAT_S, SILENCE_S, Frame, FrameError, Header, encode_head, read_frame

_FULL_S = 0.1  # so often the reader looks whether a request whose queue is full is over


class OpError(Exception):
    """A request that cannot be carried out; goes to the laptop as an error reply of this `kind`."""

    def __init__(self, kind: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details


class Request:
    """One question of the laptop, and the way to answer it."""

    def __init__(self, server: Server, header: Header, payload: bytes) -> None:
        self.params = header
        self.payload = payload
        self.cancelled = threading.Event()
        self.over = threading.Event()
        """Nobody receives any more."""
        self._server = server
        # Bounded, so that a slow disk slows the sender down instead of filling memory.
        self._incoming: queue.Queue[Optional[Frame]] = queue.Queue(maxsize=8)

    def reply(self, payload: bytes = b"", more: bool = True, **fields: Any) -> None:
        """One reply frame; `more=False` is the last."""
        if more:
            fields["more"] = True
        fields["id"] = self.params["id"]
        self._server.send(fields, payload)

    def receive(self) -> Frame:
        """The next frame that the laptop sent for this request. Raises OpError when it gave up."""
        frame = self._incoming.get()
        if frame is None or frame[0].get("cancel"):
            raise OpError("cancelled", "the laptop gave the request up")
        return frame

    def give(self, frame: Optional[Frame]) -> None:
        """Called by the server's reader. What comes for a request that is over is dropped: the laptop sent it before it
        heard of the end, and waits in its write until it is read.
        """
        if frame is None or frame[0].get("cancel"):
            self.cancelled.set()
        while not self.over.is_set():
            try:
                return self._incoming.put(frame, timeout=_FULL_S)
            except queue.Full:
                continue


Op = Callable[[Request], Optional[Dict[str, Any]]]
"""Carries a request out. What it returns is the last reply (None: it has sent that itself)."""


class Server:
    def __init__(self, source: BinaryIO, sink: BinaryIO, ops: Dict[str, Op]) -> None:
        self._source = source
        self._sink = sink
        self._ops = ops
        self._write = threading.Lock()
        self._running: Dict[int, Request] = {}
        self._heard = time.monotonic()
        self._busy = False
        self._ended = threading.Event()

    def send(self, header: Header, payload: bytes = b"") -> None:
        head = encode_head(header, len(payload))
        try:
            with self._write:
                self._sink.write(head)
                self._sink.write(payload)
                self._sink.flush()
        except (OSError, ValueError):
            # Nobody listens any more: nothing that a channel process still answers is worth outliving its laptop.
            if not self._ended.is_set():
                os._exit(0)

    def serve(self) -> None:
        """Until the laptop closes the channel or falls silent."""
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            while True:
                frame = read_frame(self._read)
                if frame is None:
                    return
                self._dispatch(frame)
        except (FrameError, OSError):
            return
        finally:
            self._ended.set()

    def _read(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end. Each piece is a sign of life: on a slow line one frame takes long."""
        data = bytearray(size)
        got = 0
        with memoryview(data) as room:
            while got < size:
                count = self._source.readinto1(room[got:])  # type: ignore[attr-defined]  # what is there, uncopied
                if not count:
                    break
                self._heard = time.monotonic()
                got += count
        del data[got:]
        return data  # type: ignore[return-value]  # as good as bytes to who receives

    def _dispatch(self, frame: Frame) -> None:
        header, payload = frame
        key = header.get("id", 0)
        if "op" in header:
            request = self._running[key] = Request(self, header, payload)
            threading.Thread(target=self._answer, args=(request,), daemon=True).start()
        elif key in self._running:
            self._busy = True
            self._running[key].give(frame)
            self._busy = False

    def _answer(self, request: Request) -> None:
        try:
            last = self._carry_out(request)
        finally:
            # Before the last reply: a laptop that is held up in its write must get to read that.
            request.over.set()
            self._running.pop(request.params["id"], None)
        if last is None:
            return
        try:
            request.reply(more=False, **last)
        except FrameError as error:
            request.reply(more=False, error={"kind": "bug", "message": str(error)})

    def _carry_out(self, request: Request) -> Optional[Dict[str, Any]]:
        try:
            op = self._ops.get(request.params["op"])
            if op is None:
                raise OpError("unknown_op", "this host program does not know %r" % request.params["op"])
            return op(request)
        except OpError as error:
            return {"error": dict(error.details, kind=error.kind, message=error.message)}
        except OSError as error:
            kind = "no_space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "os"
            where = os.fspath(error.filename) if error.filename else None
            return {"error": {"kind": kind, "message": error.strerror or str(error), "path": where}}
        except Exception:
            return {"error": {"kind": "bug", "message": traceback.format_exc()}}

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            if not self._busy and time.monotonic() - self._heard > SILENCE_S:
                os._exit(0)
            self.send({"id": 0})
