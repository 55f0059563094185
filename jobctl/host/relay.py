"""Passing a tree on from host to host, so that the laptop sends it once. Two requests, one to each side of a hop:

    relay_receive  {digest, keys} + manifest                 -> {"address", "port"}, more; then {"known": true}
    relay_pass     {digest, keys, address, port} + manifest  -> {"passed", "total"}, now and then, and at the end

The manifest may be left out where this host program has it from the other request. Over the link the receiving host is
the one of `tree_send` (`trees.py`), with the passing host in the laptop's place: it says what it lacks, and everything
that comes is checked by hash. What is passed on need not be whole here: a file goes on while it still arrives.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .frames import Frame, Header
from .link import Link, accept, dial, listen
from .manifests import Row, parse_manifest
from .server import OpError, Request
from .trees import Trees

_FRAME = 256 << 10  # bytes of contents in one frame; small files are packed together
_AHEAD = 16  # frames under way that the other host has not confirmed
_COMES_S = 30.0  # for the host before this one to connect
_LOOK = 256  # files that are looked for at a time: they come about in the order of the manifest
_POLL_S = 0.05  # files may also arrive by another process
_TELL_S = 0.25


class Relay:
    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._manifests: Dict[str, bytes] = {}

    def receive(self, request: Request) -> Dict[str, Any]:
        """Take a tree from another host. Raises OpError."""
        manifest = self._manifest(request)
        listener, address, port = listen()
        try:
            request.reply(address=address, port=port)
            link = accept(listener, request.params["keys"], _COMES_S, request.cancelled)
        finally:
            listener.close()
        try:
            answer = self._trees.send(_FromHost(link, request.params, manifest))
            link.send(answer)
            return answer
        except OpError as error:
            with contextlib.suppress(OpError):
                link.send({"error": error.message})
            raise
        finally:
            link.close()

    def pass_on(self, request: Request) -> Dict[str, Any]:
        """Give another host what it lacks of a tree, as it comes in here. Raises OpError."""
        params = request.params
        rows = parse_manifest(zlib.decompress(self._manifest(request)), params["digest"])
        link = dial(params["address"], params["port"], params["keys"], request.cancelled)
        try:
            return _Pass(request, link, self._trees, rows).run()
        finally:
            link.close()

    def _manifest(self, request: Request) -> bytes:
        """Compressed, as it came."""
        digest = request.params["digest"]
        manifest = self._manifests[digest] = request.payload or self._manifests[digest]
        return manifest


class _FromHost(Request):
    """`tree_send`, asked for by the host before this one. Given up by that host, or by the laptop."""

    def __init__(self, link: Link, params: Header, manifest: bytes) -> None:
        self.params = params
        self.payload = manifest
        self._link = link

    def reply(self, payload: bytes = b"", more: bool = True, **fields: Any) -> None:
        self._link.send(fields, payload)

    def receive(self) -> Frame:
        return self._link.receive()


def _key(row: Row) -> Tuple[str, bool]:
    return row.content, row.kind == "x"


class _Pass:
    """One tree on its way to the next host."""

    def __init__(self, request: Request, link: Link, trees: Trees, rows: List[Row]) -> None:
        self._request = request
        self._link = link
        self._store = trees.store
        self._rows = rows
        self._ahead = 0
        self._passed = 0
        self._total = 0
        self._told = time.monotonic()

    def run(self) -> Dict[str, Any]:
        todo = self._missing()
        if todo is None:
            return {"passed": 0, "total": 0}
        self._total = sum(self._rows[index].size for index in todo)
        frame: List[Tuple[int, bytes]] = []
        for index, piece in self._pieces(todo):
            if piece is None:  # nothing more for now
                self._give(frame)
                frame = []
                self._store.wait(_POLL_S)
                continue
            frame.append((index, piece))
            if len(frame) >= _LOOK or sum(len(piece) for _, piece in frame) >= _FRAME:
                self._give(frame)
                frame = []
        self._give(frame)
        while self._ahead:
            self._confirm()
        self._answer()
        return {"passed": self._passed, "total": self._total}

    def _missing(self) -> Optional[List[int]]:
        """What the next host says that it lacks; None: nothing. Raises OpError for what is no answer to that."""
        answer = self._answer()
        if answer.get("known"):
            return None
        found = answer.get("missing")
        if not isinstance(found, list) or not all(type(i) is int and 0 <= i < len(self._rows) for i in found):
            raise OpError("relay", "the next host does not say what it lacks")
        return found

    def _pieces(self, todo: List[int]) -> Iterator[Tuple[int, Optional[bytes]]]:
        """(index, the next bytes of this file), file after file; (-1, None) where nothing is here to be passed on."""
        while todo:
            found = [index for index in todo[:_LOOK] if self._store.is_coming(*_key(self._rows[index]))]
            for index in found:
                todo.remove(index)
                yield from self._pieces_of(index)
            if not found:
                yield -1, None

    def _pieces_of(self, index: int) -> Iterator[Tuple[int, Optional[bytes]]]:
        """One file. Where it is given up half-way here it comes again, with the same bytes: its hash is known."""
        row, at = self._rows[index], 0
        if not row.size:
            yield index, b""
        while at < row.size:
            source = self._store.open_growing(*_key(row), row.size)
            if source is not None:
                with contextlib.closing(source):
                    while at < row.size:
                        piece = source.read(at, min(_FRAME, row.size - at))
                        at += len(piece)
                        if piece:
                            yield index, piece
                        elif source.is_growing():
                            yield -1, None
                        else:
                            break
            if at < row.size:
                yield -1, None

    def _give(self, frame: List[Tuple[int, bytes]]) -> None:
        if self._request.cancelled.is_set():
            raise OpError("cancelled", "the laptop gave the request up")
        if frame:
            payload = frame[0][1] if len(frame) == 1 else b"".join(piece for _, piece in frame)
            self._link.send({"parts": [[index, len(piece)] for index, piece in frame]}, payload)
            self._passed += len(payload)
            self._ahead += 1
            if self._ahead > _AHEAD:
                self._confirm()
        if time.monotonic() - self._told > _TELL_S:
            self._told = time.monotonic()
            self._request.reply(passed=self._passed, total=self._total)

    def _confirm(self) -> None:
        self._answer()
        self._ahead -= 1

    def _answer(self) -> Dict[str, Any]:
        """Raises OpError for what the next host says of an error."""
        header = self._link.receive()[0]
        if "error" in header:
            raise OpError("relay", str(header["error"]))
        return header
