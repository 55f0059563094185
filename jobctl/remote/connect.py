"""From a host of the inventory to an open host channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

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
    with ExitStack() as stack:
        token = _kept.set(_Kept(stack))
        try:
            yield
        finally:
            _kept.reset(token)


@contextmanager
def using(host: Host, channel: HostChannel | None) -> Iterator[None]:
    """Within it, in this thread, `connect(host)` gives this channel as long as it is not lost, and does not close it.

    For who keeps one connection and does several things at once over it. Nobody is asked for a password meanwhile.
    """
    with ExitStack() as stack:
        token = _kept.set(_Kept(stack, [(host, channel)] if channel else [], may_ask=False))
        try:
            yield
        finally:
            _kept.reset(token)


@contextmanager
def connect(host: Host, *, ask: bool = True) -> Iterator[HostChannel]:
    """One connection and one channel, closed at the end. Raises the HostErrors.

    `ask=False` where several hosts are connected at once: nobody could tell which one a question is from.
    """
    kept = _kept.get()
    if kept is None:
        with _connect(host, ask) as channel:
            yield channel
    else:
        with _naming(host):
            yield kept.channel(host, ask)


@dataclass
class _Kept:
    """Closed with `stack`. A channel that was lost is opened anew by who asks next."""

    stack: ExitStack
    channels: list[tuple[Host, HostChannel]] = field(default_factory=list)
    may_ask: bool = True

    def channel(self, host: Host, ask: bool) -> HostChannel:
        for known, channel in self.channels:
            if known == host and not channel.lost:
                return channel
        channel = self.stack.enter_context(_connect(host, ask and self.may_ask))
        self.channels.append((host, channel))
        return channel


_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def _connect(host: Host, ask: bool) -> Iterator[HostChannel]:
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
