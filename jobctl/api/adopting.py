"""Adopt: the hosts know their runs; this machine learns them anew."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobctl.api import prepare
from jobctl.api.listener import Listener, Silent
from jobctl.errors import JobctlError
from jobctl.laptop.records import Record, Records
from jobctl.remote.answers import Answer
from jobctl.remote.connect import connect
from jobctl.remote.fanout import ask_each
from jobctl.spec.inventory import Host


@dataclass(frozen=True)
class Adopted:
    """`records`: runs that this machine did not know. `cleared`: submits that were cut before they started, cleared
    away. `errors`: hosts that could not be asked."""

    records: tuple[Record, ...]
    cleared: tuple[str, ...]
    errors: dict[str, JobctlError]


def adopt(
    inventory: str,
    *,
    host: str | None = None,
    by: str | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
    announce: Callable[[Sequence[Record], Sequence[str]], None] = lambda found, cleared: None,
) -> Adopted:
    """Find the runs on the hosts of an inventory; with `by` only what that user has submitted. Raises InputError; a
    host that does not answer stops no other. `announce` hears of each host as it answers: runs found, submits cleared.

    A record of this laptop that is damaged is written anew, as one that it has lost.

    A cut submit of this laptop whose run is not on the host either is forgotten: what is left is one run, or none.
    """
    tell, book = listener or Silent(), records or Records()
    hosts = [prepare.load_host(inventory, host)] if host else prepare.load_hosts(inventory)
    tell.note(f"asking {', '.join(target.name for target in hosts)}")
    found: list[Record] = []
    cleared: set[str] = set()
    errors: dict[str, JobctlError] = {}
    for outcome in ask_each(hosts, _ask):
        target = outcome.item
        if outcome.error:
            errors[target.name] = outcome.error
            continue
        there, discarded = outcome.value
        known = {record.run_id: record for record in book.all()}
        new = _learn(there, known, target, by, book)
        gone = {*discarded, *_forget_cut_submits(known.values(), target, there, book)}
        announce(new, sorted(gone - cleared))
        found += new
        cleared |= gone
    return Adopted(tuple(found), tuple(sorted(cleared)), errors)


def _ask(host: Host) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The host's runs, by their ids, and the cut submits that it has cleared away."""
    with connect(host) as channel:
        there = Answer(channel.host, channel.call("runs").header).runs()
        return there, Answer(channel.host, channel.call("discard_stale").header).run_ids("run_ids")


def _learn(
    there: Mapping[str, dict[str, Any]], known: Mapping[str, Record], host: Host, by: str | None, book: Records
) -> list[Record]:
    """The runs of a host that this machine did not know; it does now."""
    new: list[Record] = []
    for run_id, status in there.items():
        if run_id not in known and by is not None and not is_by(status.get("submitted_by"), by):
            continue
        record = known.get(run_id) or _new_record(run_id, status, host)
        if not record.told:
            new.append(record)
        record.told = True
        book.seen(record, status)
        book.save(record)  # to know it is all that an adopt does: whether it could be written counts
    return new


def is_by(submitted_by: object, user: str) -> bool:
    """Whether `user` is who submitted a run, `name@laptop`; the name is enough."""
    return isinstance(submitted_by, str) and user in (submitted_by, submitted_by.rpartition("@")[0])


def _new_record(run_id: str, status: dict[str, object], host: Host) -> Record:
    submitted_at = status.get("submitted_at")
    at = float(submitted_at) if isinstance(submitted_at, int | float) else 0.0
    return Record(run_id, str(status.get("name") or run_id), host.name, host.model_dump(mode="json"), at)


def _forget_cut_submits(known: Iterable[Record], host: Host, there: Container[str], book: Records) -> list[str]:
    """Submits from here to this very host that it knows nothing of."""
    here = host.model_dump(mode="json")
    same = ("address", "port", "user", "work_dir", "transport")
    gone = []
    for record in known:
        to_this_host = all(record.host.get(name) == here[name] for name in same)
        if (
            not record.confirmed
            and to_this_host
            and record.run_id not in there
            and book.remove_unclaimed(record.run_id)
        ):
            gone.append(record.run_id)
    return gone
