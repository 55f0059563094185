"""An encrypted connection between two hosts for one transfer, over which the frames of the channel travel.

Both ends show a certificate that the laptop made for this transfer alone, and accept none but the one that the laptop
told them of: the laptop knows the hosts by their SSH keys, so each hop is as well known as the way from the laptop.
The private keys are in memory only. They end with the host program, and that ends with its laptop.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Any, Dict, List, Optional, Tuple

from .frames import SILENCE_S, Frame, FrameError, Header, encode_head, read_frame
from .server import OpError

try:
    import ssl
except ImportError:  # a Python that was built without OpenSSL's headers
    ssl = None  # type: ignore[assignment]

CONNECT_S = 5.0
"""For each address of the other host: one that is not answered is behind a firewall."""
_LOOK_S = 0.2
Keys = Dict[str, str]
"""{"certificate", "key"}: ours, as PEM; {"peer"}: the certificate of the other host."""


class Link:
    """Frames over one TLS connection. To be used by one thread: OpenSSL does not read and write at the same time.

    A peer that computes may be silent for minutes. That it is alive is known to the laptop, which else sets `given_up`.
    """

    def __init__(self, sock: Any, given_up: threading.Event) -> None:
        self._sock = sock
        self._given_up = given_up

    def send(self, header: Header, payload: bytes = b"") -> None:
        """Raises OpError when the connection is lost."""
        try:
            self._sock.settimeout(SILENCE_S)
            self._sock.sendall(encode_head(header, len(payload)))
            if payload:
                self._sock.sendall(payload)
        except OSError as error:
            raise _lost(error) from None

    def receive(self) -> Frame:
        """The next frame. Raises OpError when the other host has hung up, or the laptop has given it up."""
        try:
            self._sock.settimeout(_LOOK_S)
            frame = read_frame(self._read)  # type: ignore[arg-type]  # as good as bytes to who receives
        except FrameError as error:
            raise OpError("relay", "the other host said something that is not our protocol: %s" % error) from None
        except OSError as error:
            raise _lost(error) from None
        if frame is None:
            raise OpError("relay", "the other host hung up")
        return frame

    def _read(self, size: int) -> bytearray:
        """`size` bytes, or fewer at the end. Into one buffer: copies cost more here than the encryption."""
        data = bytearray(size)
        got = 0
        with memoryview(data) as room:
            while got < size:
                try:
                    count = self._sock.recv_into(room[got:])
                except socket.timeout:
                    if self._given_up.is_set():
                        raise OpError("cancelled", "the laptop gave the request up") from None
                    continue
                if not count:
                    break
                got += count
        return data if got == size else data[:got]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()


def _lost(error: OSError) -> OpError:
    return OpError("relay", "the connection between the hosts was lost: %s" % (error.strerror or error))


def make_context(keys: Keys, server: bool) -> Any:
    """Raises OpError where this Python has no TLS."""
    if ssl is None:
        raise OpError("relay", "Python on the host has no ssl module")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # it is this one certificate that counts, whatever it calls itself
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=keys["peer"])
    with _in_a_pipe(keys["certificate"]) as certificate, _in_a_pipe(keys["key"]) as key:
        context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def _in_a_pipe(text: str) -> Any:
    """A path to read the text from, once. `ssl` takes keys from files only; this one is on no disk."""
    reader, writer = os.pipe()
    try:
        os.write(writer, text.encode("ascii"))  # some kB: it fits
        os.close(writer)
        yield "/proc/self/fd/%d" % reader
    finally:
        os.close(reader)


def listen() -> Tuple[socket.socket, str, int]:
    """A socket where other hosts can reach us, as far as that is known: at the address that the laptop came to."""
    address = (os.environ.get("SSH_CONNECTION") or "").split()
    host = address[2] if len(address) == 4 else "127.0.0.1"
    family, kind, protocol, _, where = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.bind(where)
        listener.listen(4)
    except OSError:
        listener.close()
        raise
    return listener, host, listener.getsockname()[1]


def accept(listener: socket.socket, keys: Keys, within_s: float, given_up: threading.Event) -> Link:
    """The connection of the host that has the other certificate; whoever else comes is sent away unheard.

    Raises OpError when it has not come within `within_s`.
    """
    context = make_context(keys, server=True)
    listener.settimeout(0.2)
    tries = int(within_s / 0.2)
    strangers: List[str] = []
    while tries > 0 and not given_up.is_set():
        try:
            sock = listener.accept()[0]
        except socket.timeout:
            tries -= 1
            continue
        try:
            _prepare(sock)
            return Link(context.wrap_socket(sock, server_side=True), given_up)
        except OSError as error:  # ssl.SSLError is one
            sock.close()
            strangers.append(str(error))
            tries -= int(CONNECT_S)
    why = "; somebody else did: %s" % strangers[-1] if strangers else ""
    raise OpError("relay", "the host before this one did not come%s" % why)


def dial(address: str, port: int, keys: Keys, given_up: threading.Event) -> Link:
    """Raises OpError: of the kind `impostor` where somebody without the right certificate answers, else `relay`."""
    context = make_context(keys, server=False)
    try:
        sock = socket.create_connection((address, port), CONNECT_S)
    except OSError as error:
        raise OpError("relay", "no way to %s, port %d: %s" % (address, port, error.strerror or error)) from None
    try:
        _prepare(sock)
        sock.settimeout(SILENCE_S)  # somebody else may be before us at the door, for CONNECT_S each
        return Link(context.wrap_socket(sock), given_up)
    except OSError as error:
        sock.close()
        raise _refused(error, address, port) from None


def _refused(error: OSError, address: str, port: int) -> OpError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return OpError("impostor", "%s, port %d: %s" % (address, port, error.verify_message))
    return OpError("relay", "%s, port %d, did not let us in: %s" % (address, port, error.strerror or error))


def _prepare(sock: socket.socket) -> None:
    sock.settimeout(CONNECT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    option: Optional[int] = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, int(SILENCE_S * 1000))
