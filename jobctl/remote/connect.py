"""From a host of the inventory to an open host channel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from jobctl.errors import HostError
from jobctl.remote.channel import HostChannel, open_host_channel
from jobctl.remote.transport import Transport
from jobctl.spec.inventory import Host


def make_transport(host: Host, *, ask: bool) -> Transport:
    """The transport that the inventory names for this host; nothing is connected yet.

    `ask`: a person at the terminal may be asked for a password.
    """
    if host.transport == "local":
        from jobctl.remote.local import LocalTransport

        return LocalTransport(host.name)
    from jobctl.remote.ssh import find_terminal, make_ssh_transport

    return make_ssh_transport(host, find_terminal() if ask else None)


@contextmanager
def keep_open() -> Iterator[None]:
    """Within it a host is connected to once, however often it is asked for: one caller after another gets the channel.

    For commands that do several things with a host, such as a submit that is then followed.
    """
    with ExitStack() as stack, kept_by(_Kept(stack)):
        yield


class Keeper(Protocol):
    def channel(self, host: Host, ask: bool) -> HostChannel:
        """The channel to this host, which stays open when the caller is done with it. Raises the HostErrors."""

    def serves_this_thread(self) -> bool:
        """Else `connect` makes a connection of its own, as if nothing were kept."""


@contextmanager
def kept_by(keeper: Keeper) -> Iterator[None]:
    """Within it every `connect` gets its channel from `keeper`."""
    token = _kept.set(keeper)
    try:
        yield
    finally:
        _kept.reset(token)


@contextmanager
def using(host: Host, channel: HostChannel | None) -> Iterator[None]:
    """Within it, in this thread, `connect(host)` gives this channel as long as it is not lost, and does not close it.

    For who keeps one connection and does several things at once over it. Nobody is asked for a password meanwhile.
    """
    with ExitStack() as stack, kept_by(_Kept(stack, [(host, channel)] if channel else [], may_ask=False)):
        yield


@contextmanager
def connect(host: Host, *, ask: bool = True) -> Iterator[HostChannel]:
    """One connection and one channel, closed at the end. Raises the HostErrors.

    `ask=False` where several hosts are connected at once: nobody could tell which one a question is from.
    """
    kept = _kept.get()
    if kept is None or not kept.serves_this_thread():
        with connect_anew(host, ask) as channel:
            yield channel
    else:
        with _naming(host):
            yield kept.channel(host, ask)


@dataclass
class _Kept:
    """Closed with `stack`. A channel that was lost is opened anew by who asks next."""

    stack: ExitStack
    channels: list[tuple[Host, HostChannel]] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)
    may_ask: bool = True

    def serves_this_thread(self) -> bool:
        return threading.get_ident() == self.thread

    def channel(self, host: Host, ask: bool) -> HostChannel:
        for known, channel in self.channels:
            if known == host and not channel.lost:
                return channel
        channel = self.stack.enter_context(connect_anew(host, ask and self.may_ask))
        self.channels.append((host, channel))
        return channel


_kept: ContextVar[Keeper | None] = ContextVar("kept", default=None)


@contextmanager
def connect_anew(host: Host, ask: bool) -> Iterator[HostChannel]:
    """As `connect`, and never one that is kept."""
    transport = make_transport(host, ask=ask)
    try:
        with _naming(host), open_host_channel(transport, root=host.work_dir, python=host.python) as channel:
            yield channel
    finally:
        transport.close()


@contextmanager
def _naming(host: Host) -> Iterator[None]:
    """The way to a host has names of its own (addresses, jump hosts); the user knows it by that of the inventory."""
    try:
        yield
    except HostError as error:
        if host.name not in error.where:
            error.where = f"{host.name}: {error.where}" if error.where else host.name
        raise
