"""From a host of the inventory to an open host channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
def connect(host: Host, *, ask: bool = True) -> Iterator[HostChannel]:
    """One connection and one channel, closed at the end. Raises the HostErrors.

    `ask=False` where several hosts are connected at once: nobody could tell which one a question is from.
    """
    transport = make_transport(host, ask=ask)
    try:
        with open_host_channel(transport, root=host.work_dir, python=host.python) as channel:
            yield channel
    except HostError as error:
        # The way to a host has names of its own (addresses, jump hosts); the user knows it by that of the inventory.
        if host.name not in error.where:
            error.where = f"{host.name}: {error.where}" if error.where else host.name
        raise
    finally:
        transport.close()
