"""One question to 64 hosts over connections that are open: `ask_each` over channels against fabric's ThreadingGroup.

The 64 hosts are 64 connections to one real OpenSSH server on this machine. Each answers: jobctl's how runs are
(`status`), a request on an open channel; fabric's `true`, a new channel each time. From nothing is not measured: there
64 hosts would start 64 Pythons on this one machine.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import fabric

from benchmarks.measure import in_turns, median_ms
from benchmarks.table import Row
from jobctl.api.prepare import load_hosts
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.remote.fanout import ask_each, in_order
from tests.sshd import Sshd, running_sshd

HOSTS = 64
FABRIC, JOBCTL_ROW = "fabric ThreadingGroup.run", "jobctl, a request each"
OPTIONS = ("MaxStartups 100:30:200",)  # fabric knocks with all at once, and does not try again


def measure(turns: int, folder: Path) -> list[Row]:
    """One group."""
    with running_sshd(folder / "sshd", OPTIONS) as sshd:
        write_inventory(folder, sshd)
        return _warm(turns, folder, sshd)


def _warm(turns: int, folder: Path, sshd: Sshd) -> list[Row]:
    hosts = load_hosts(folder / "inventory.yaml")
    with ExitStack() as stack:

        def open_one(number: int) -> HostChannel:
            return stack.enter_context(connect(hosts[number]))

        channels = [outcome.value for outcome in in_order(ask_each(range(HOSTS), open_one))]
        group = fabric.ThreadingGroup.from_connections([fabric_connection(sshd) for _ in range(HOSTS)])
        stack.enter_context(group)

        def ask_all() -> None:
            for outcome in ask_each(channels, lambda channel: channel.call("status", run_ids=[])):
                assert outcome.value.header["statuses"] == {}

        rivals = {FABRIC: lambda: group.run("true", hide=True), JOBCTL_ROW: ask_all}
        return rows(in_turns(rivals, turns), FABRIC, f"one question to {HOSTS} hosts, warm")


def rows(seconds: dict[str, list[float]], base: str, group: str) -> list[Row]:
    base_ms = median_ms(seconds[base])
    return [Row(name, median_ms(all_s), median_ms(all_s) / base_ms, group=group) for name, all_s in seconds.items()]


def fabric_connection(sshd: Sshd) -> fabric.Connection:
    how = {"key_filename": str(sshd.identity)}
    return fabric.Connection("127.0.0.1", user=sshd.user, port=sshd.port, connect_kwargs=how)


def write_inventory(folder: Path, sshd: Sshd) -> None:
    host = json.loads(sshd.inventory("box"))["hosts"]["box"]
    # Each with a work_dir of its own, as 64 hosts have.
    hosts = {f"host{number}": {**host, "work_dir": str(folder / "work" / str(number))} for number in range(HOSTS)}
    (folder / "inventory.yaml").write_text(json.dumps({"hosts": hosts}))
