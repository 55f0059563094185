"""Asking for runs: what this laptop knows, freshened by the hosts that have something to say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from jobctl.api.listener import Listener, Silent
from jobctl.errors import JobctlError, RunNotFound
from jobctl.host.states import FINAL
from jobctl.laptop.records import Record, Records
from jobctl.remote.answers import Answer

_PARALLEL_HOSTS = 16


@dataclass(frozen=True)
class RunView:
    """A run as it is known now.

    `error`: the host could not be asked, so `status` is `age_s` old (never FAILED for that).
    """

    record: Record
    status: dict[str, Any]
    age_s: float | None = None
    error: JobctlError | None = None


def runs(records: Records | None = None) -> list[RunView]:
    """All runs of this laptop, newest first. Hosts with unfinished runs are asked, in parallel, once each."""
    book = records or Records()
    return _freshen(book.all(), book)


def known_runs() -> list[Record]:
    """The runs of this laptop as they were last seen, newest first; no host is asked."""
    return Records().all()


def status(run: str | None = None, records: Records | None = None) -> RunView:
    """One run. Raises RunNotFound."""
    book = records or Records()
    return _freshen([book.find(run)], book)[0]


def cancel(
    run: str | None = None,
    *,
    grace_s: float = 10.0,
    listener: Listener | None = None,
    records: Records | None = None,
) -> RunView:
    """End a run and all its processes. Raises HostError where the host cannot be reached: then it is not cancelled."""
    book = records or Records()
    record = book.find(run)
    if is_final(record):
        return RunView(record, record.status or {})
    tell = listener or Silent()
    tell.note(f"connecting to {record.host_name}")
    with _connected(record) as channel:
        tell.note(f"ending it; processes get {grace_s:.0f} s before they are killed")
        reply = channel.call("cancel", run_id=record.run_id, grace_s=grace_s)
        answer = Answer(channel.host, reply.header).status()
    book.seen(record, answer)
    return RunView(record, answer)


def is_final(record: Record) -> bool:
    """Whether the host has said how the run ended; then it need not be asked again."""
    return record.status is not None and record.status.get("state") in FINAL


def host_of(record: Record) -> Any:
    from jobctl.spec.inventory import Host

    return Host.model_validate(record.host)


def _connected(record: Record) -> Any:
    from jobctl.remote.connect import connect

    return connect(host_of(record))


def _freshen(records: Sequence[Record], book: Records) -> list[RunView]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        if not is_final(record):
            groups.setdefault(repr(sorted(record.host.items(), key=lambda item: item[0])), []).append(record)
    errors: dict[str, JobctlError] = {}
    if groups:
        with ThreadPoolExecutor(max_workers=_PARALLEL_HOSTS) as pool:
            for failed in pool.map(lambda group: _ask(group, book), groups.values()):
                errors.update(failed)
    now = time.time()
    return [
        RunView(
            record,
            record.status or {"state": "STAGING", "reason": "submit has not finished"},
            now - record.seen_at if record.seen_at and record.run_id in errors else None,
            errors.get(record.run_id),
        )
        for record in records
    ]


def _ask(group: Sequence[Record], book: Records) -> dict[str, JobctlError]:
    """One connection for all runs of a host."""
    try:
        with _connected(group[0]) as channel:
            reply = channel.call("status", run_ids=[record.run_id for record in group])
            answer = Answer(channel.host, reply.header)
    except JobctlError as error:
        return {record.run_id: error for record in group}
    failed: dict[str, JobctlError] = {}
    for record in group:
        try:
            status = answer.status_of(record.run_id)
        except JobctlError as error:  # one run that is damaged hides no other
            failed[record.run_id] = error
            continue
        if status:
            book.seen(record, status)
        elif record.confirmed:
            gone = {"state": "LOST", "reason": "its run directory is not on the host any more"}
            book.seen(record, {**(record.status or {}), **gone})
    return failed


def adopt(inventory: str, *, host: str | None = None, records: Records | None = None) -> tuple[list[Record], list[str]]:
    """Find runs on hosts that this laptop does not know. Returns (adopted, half-done submits that were cleared away).

    A cut submit of this laptop whose run is not on the host either is forgotten: what is left is one run, or none.
    """
    from jobctl.api import prepare
    from jobctl.remote.connect import connect

    book = records or Records()
    hosts = [prepare.load_host(inventory, host)] if host else prepare.load_hosts(inventory)
    adopted: list[Record] = []
    cleared: list[str] = []
    for target in hosts:
        with connect(target) as channel:
            there = Answer(channel.host, channel.call("runs").header).runs()
            cleared += Answer(channel.host, channel.call("discard_stale").header).run_ids("run_ids")
        known = {record.run_id: record for record in book.all()}
        for run_id, row in there.items():
            record = known.get(run_id)
            if record is None or not record.confirmed:
                record = record or Record(
                    run_id,
                    row.get("name") or run_id,
                    target.name,
                    target.model_dump(mode="json"),
                    row.get("submitted_at") or 0.0,
                )
                adopted.append(record)
            book.seen(record, row)
        for record in known.values():
            if not record.confirmed and record.host_name == target.name and record.run_id not in there:
                if book.remove_unclaimed(record.run_id):
                    cleared.append(record.run_id)
    return adopted, sorted(set(cleared))


__all__ = ["RunNotFound", "RunView", "adopt", "cancel", "is_final", "runs", "status"]
