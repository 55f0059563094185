"""TCP servers and relays that behave badly."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Handler = Callable[[socket.socket], None]


@contextmanager
def listening(handle: Handler) -> Iterator[int]:
    """A server on 127.0.0.1 that gives each connection to `handle`, in a thread; yields its port."""
    server = socket.create_server(("127.0.0.1", 0))
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            handle(sock)

    def accept() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            open_sockets.append(sock)
            threads.append(threading.Thread(target=serve, args=(sock,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server.getsockname()[1]
    finally:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        acceptor.join()
        for sock in open_sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def relay(to_port: int, cut_after: int | None = None) -> Handler:
    """Pass everything on to another port of this machine; cut after so many bytes from there."""

    def handle(sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", to_port)) as other:
            back = threading.Thread(target=_copy, args=(sock, other, None))
            back.start()
            _copy(other, sock, cut_after)
            for end in (sock, other):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            back.join()

    return handle


def _copy(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    seen = 0
    with suppress(OSError):
        while (limit is None or seen < limit) and (data := source.recv(65536)):
            seen += len(data)
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
