"""Asking for runs: what this laptop knows, freshened by the hosts that have something to say."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jobctl.api.listener import Listener, Silent
from jobctl.errors import InputError, JobctlError, RunNotFound
from jobctl.host.states import FINAL, SUCCEEDED
from jobctl.laptop.records import Record, Records
from jobctl.remote.answers import Answer
from jobctl.remote.fanout import QUIET_S, in_batches

if TYPE_CHECKING:
    from jobctl.remote.channel import HostChannel

_LONGEST_GRACE_S = 3600


@dataclass(frozen=True)
class RunView:
    """A run as it is known now.

    `error`: the host could not be asked, so `status` is `age_s` old (never FAILED for that).
    """

    record: Record
    status: dict[str, Any]
    age_s: float | None = None
    error: JobctlError | None = None


def runs(*, listener: Listener | None = None, records: Records | None = None) -> list[RunView]:
    """All runs of this laptop, newest first. Hosts with unfinished runs are asked, in parallel, once each.

    Records that are damaged are named to the listener, and hide no other.
    """
    return _newest_first(view for batch in runs_as_they_come(listener=listener, records=records) for view in batch)


def runs_as_they_come(
    *, listener: Listener | None = None, records: Records | None = None, quiet_s: float = QUIET_S
) -> Iterator[list[RunView]]:
    """As `runs`, in parts, each newest first: what is known once no host has answered for `quiet_s`, then those of
    slower hosts as they answer, or are given up.
    """
    book, tell = records or Records(), listener or Silent()
    if damaged := book.damaged():
        what = "records of this machine are damaged" if len(damaged) > 1 else "record of this machine is damaged"
        names = ", ".join(damaged[:5]) + (", ..." if len(damaged) > 5 else "")
        tell.note(f"{len(damaged)} {what} ({names}); written anew by: jobctl adopt -i INVENTORY")
    yield from _freshen(book.all(), book, tell, quiet_s=quiet_s)


def _newest_first(views: Iterable[RunView]) -> list[RunView]:
    return sorted(views, key=lambda view: (view.record.submitted_at, view.record.run_id), reverse=True)


def known_runs() -> list[Record]:
    """The runs of this laptop as they were last seen, newest first; no host is asked."""
    return Records().all()


def known_run(run: str | None = None) -> Record:
    """The run that a name means, as it was last seen; no host is asked. Raises RunNotFound."""
    return Records().find(run)


def status(run: str | None = None, *, listener: Listener | None = None, records: Records | None = None) -> RunView:
    """One run. Raises RunNotFound."""
    book = records or Records()
    return next(_freshen([book.find(run)], book, listener or Silent(), named=True))[0]


def cancel(
    run: str | None = None,
    *,
    grace_s: float = 10.0,
    listener: Listener | None = None,
    records: Records | None = None,
) -> RunView:
    """End a run and all its processes; without a name the only one that has not ended.

    Raises HostError where the host cannot be reached: then it is not cancelled.
    """
    if not 0 <= grace_s <= _LONGEST_GRACE_S:
        raise InputError(f"the grace is a time from 0 to {_LONGEST_GRACE_S} s", value=grace_s)
    book = records or Records()
    record = book.find(run) if run is not None else _only_unfinished(book)
    if has_succeeded(record):
        return RunView(record, record.status or {})
    tell = listener or Silent()
    tell.note(f"connecting to {record.host_name}")
    with _connected(record) as channel:
        tell.note(f"ending it; processes get {grace_s:.0f} s before they are killed")
        reply = channel.call("cancel", run_id=record.run_id, grace_s=grace_s)
        answer = Answer(channel.host, reply.header).status()
    book.seen(record, answer)
    return RunView(record, answer)


def _only_unfinished(book: Records) -> Record:
    """The run that a cancel without a name means. Raises RunNotFound where there is none, or more than one."""
    unfinished = [record for record in book.all() if not is_final(record)]
    if len(unfinished) == 1:
        return unfinished[0]
    if unfinished:
        names = ", ".join(record.run_id for record in unfinished[:5])
        raise RunNotFound("more than one run has not ended; name the one to cancel", hint=names)
    raise RunNotFound("no run of this machine is unfinished", next_command="jobctl ps")


def is_final(record: Record) -> bool:
    """Whether the host has said how the run ended. It may be asked again: a resume, here or elsewhere, changes that."""
    return record.status is not None and record.status.get("state") in FINAL


def has_succeeded(record: Record) -> bool:
    """Whether the run has succeeded: that is for ever, and nobody need be asked again."""
    return record.status is not None and record.status.get("state") == SUCCEEDED


def host_of(record: Record) -> Any:
    """Where the run is. Raises InputError for a host that a newer jobctl, or nobody, has written down so."""
    from pydantic import ValidationError

    from jobctl.spec.inventory import Host

    try:
        return Host.model_validate(record.host)
    except ValidationError as error:
        raise InputError(
            f"the record of {record.run_id} does not say how to reach {record.host_name}",
            value="; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors()),
            hint="a newer jobctl may have written it; `jobctl adopt -i INVENTORY` writes it anew",
        ) from None


def _connected(record: Record, *, ask: bool = True) -> Any:
    from jobctl.remote.connect import connect

    return connect(host_of(record), ask=ask)


def _freshen(
    records: Sequence[Record], book: Records, tell: Listener, *, named: bool = False, quiet_s: float | None = None
) -> Iterator[list[RunView]]:
    """Runs as they are now, those that need no asking with the first part. `named`: somebody asks for this very run.
    `quiet_s` None: all in one part.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        if not has_succeeded(record):
            groups.setdefault(repr(sorted(record.host.items(), key=lambda item: item[0])), []).append(record)
    if not named:  # a run that has ended may have been resumed elsewhere; that alone is no reason to ask
        groups = {key: group for key, group in groups.items() if not all(map(is_final, group))}
    asked = {record.run_id for group in groups.values() for record in group}
    ended = {record.run_id for record in records if is_final(record)}
    ready = [_view(record, None) for record in records if record.run_id not in asked]
    if groups:
        tell.note(f"asking {_names(groups.values())}")
    waiting = dict(enumerate(groups.values()))
    question = partial(_ask, book=book, alone=len(records) == 1)
    for batch in in_batches(list(groups.values()), question, quiet_s=quiet_s):
        for outcome in batch:
            del waiting[outcome.index]
            errors = outcome.value
            if not named:
                errors = {run_id: error for run_id, error in errors.items() if run_id not in ended}
            ready += [_view(record, errors.get(record.run_id)) for record in outcome.item]
        if waiting and len(waiting) + len(batch) == len(groups):
            tell.note(f"no answer yet from {_names(waiting.values())}")
        yield _newest_first(ready)
        ready = []
    if not groups:
        yield ready


def _names(groups: Iterable[Sequence[Record]]) -> str:
    return ", ".join(sorted({group[0].host_name for group in groups}))


def _view(record: Record, error: JobctlError | None) -> RunView:
    status = record.status or {"state": "STAGING", "reason": "submit has not finished"}
    return RunView(record, status, time.time() - record.seen_at if record.seen_at and error else None, error)


def _ask(group: Sequence[Record], book: Records, alone: bool) -> dict[str, JobctlError]:
    """One connection for all runs of a host. Passwords are asked for only where no other host asks too."""
    try:
        with _connected(group[0], ask=alone) as channel:
            return ask_over(channel, group, book)
    except JobctlError as error:
        return {record.run_id: error for record in group}


def ask_over(channel: HostChannel, group: Sequence[Record], book: Records) -> dict[str, JobctlError]:
    """How these runs of the channel's host are now, into their records. Gives those for which there was no answer.

    Raises what the channel raises.
    """
    reply = channel.call("status", run_ids=[record.run_id for record in group])
    answer = Answer(channel.host, reply.header)
    failed: dict[str, JobctlError] = {}
    for record in group:
        try:
            status = answer.status_of(record.run_id)
        except JobctlError as error:  # one run that is damaged hides no other
            failed[record.run_id] = error
            continue
        if status:
            book.seen(record, status)
        elif record.confirmed and not is_final(record):
            gone = {"state": "LOST", "reason": "its run directory is not on the host any more"}
            book.seen(record, {**(record.status or {}), **gone})
    return failed
