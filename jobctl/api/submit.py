"""Submit: exactly one run comes of it, whenever the laptop dies.

1. a record with the run's id is made durable here    killed now: the next submit of the same takes the id over
2. code and data are sent                             killed now: what arrived stays in the host's store
3. one request stages and starts the run              killed now: the same request again finds it, starts nothing
4. the record is marked as confirmed
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from jobctl.api import bundling, prepare
from jobctl.api.listener import Listener, Silent
from jobctl.api.notifying import find_webhook
from jobctl.api.shipping import send_trees, ship
from jobctl.api.wish import Wish, await_cards, refusal
from jobctl.errors import ConnectionLost, InputError, JobctlError, TreeGone
from jobctl.host.names import WEBHOOK
from jobctl.laptop.lock_file import path_of
from jobctl.laptop.records import Record, Records
from jobctl.plan.container import make_container
from jobctl.plan.plan import tell_pointers
from jobctl.plan.run_files import make_run_files
from jobctl.plan.run_spec import make_run_id, make_run_spec
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.remote.lanes import Lanes
from jobctl.remote.rate import RateLimit
from jobctl.spec.inventory import Host

_SECRETS = "secrets.json"
_PRIVATE = (_SECRETS, WEBHOOK)


@dataclass(frozen=True)
class Submitted:
    """A run that the host has. `again`: an earlier, cut submit of the same thing had begun it."""

    run_id: str
    host: str
    state: str
    again: bool


@dataclass(frozen=True)
class Prepared:
    """What is there already where several hosts get a run each."""

    channel: HostChannel
    inputs: prepare.Inputs


def submit(
    config: str | Path,
    inventory: str | Path,
    *,
    host: str | None = None,
    sets: Sequence[str] = (),
    cards: Sequence[int] | None = None,
    exclusive: bool = False,
    wait_s: float | None = None,
    upgrade: bool = False,
    bundle: str | Path | None = None,
    limit_bytes_s: int | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
    announce: Callable[[Submitted], None] = lambda submitted: None,
    prepared: Prepared | None = None,
) -> Submitted:
    """Render, send, start. `announce` tells the user; a submit that dies before it has returned can be given again.

    `upgrade`: the newest packages, in place of the lock's. `bundle`: takes code, packages and downloads from this file,
    and nothing on the host asks a network. `limit_bytes_s`: of what is sent in bulk. `cards`, `exclusive`, `wait_s`:
    see `Wish`. With `wait_s` 0 it returns once the run has its cards; NoCardsFree: others have them, and the run is
    FAILED. Raises InputError, HostError, TransferError and their kinds. Then nothing runs, unless the error says that
    it may.
    """
    written = prepare.load(config, sets)
    wish = Wish(tuple(cards) if cards is not None else None, exclusive, wait_s).checked(written.job)
    target = prepare.load_host(inventory, host)
    return submit_written(
        written,
        target,
        wish,
        upgrade=upgrade,
        bundle=bundle,
        limit_bytes_s=limit_bytes_s,
        listener=listener,
        records=records,
        announce=announce,
        prepared=prepared,
    )


def submit_written(
    written: prepare.Written,
    target: Host,
    wish: Wish,
    *,
    upgrade: bool = False,
    bundle: str | Path | None = None,
    limit_bytes_s: int | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
    announce: Callable[[Submitted], None] = lambda submitted: None,
    prepared: Prepared | None = None,
) -> Submitted:
    """The same for a job that is rendered already."""
    tell = listener or Silent()
    container = make_container(written.job, target)
    find_webhook(written.notify)  # what is wrong with it is said before anything is sent
    inputs = prepared.inputs if prepared else read_inputs(written, tell, bundle)
    _check_upgrade(upgrade, inputs)
    book, digest = records or Records(), prepare.submission_digest(written, target, inputs, wish)
    with book.claim(digest, lambda: _new_record(written, target)) as record:
        again = record.sent
        if not prepared:
            tell.note(f"connecting to {target.name}")
        try:
            with (
                nullcontext(prepared.channel) if prepared else connect(target) as channel,
                Lanes(channel, RateLimit(limit_bytes_s), tell.note) as lanes,
            ):
                answer = _send(lanes, written, inputs, container, record, wish, upgrade, tell, book)
                waited = await_cards(answer.status(), lambda: _ask(channel, record)) if wish.wait_s == 0 else None
        except JobctlError as error:
            raise _explained(error, record, book) from None
        except BaseException:  # Ctrl-C, at a password prompt or in a transfer
            if not record.sent:
                book.remove(record.run_id)
            raise
        # Not understood is not refused: the record stays, and the same submit again finds the run.
        status = waited or answer.status()
        book.seen(record, status)
        _tell_warnings(status, tell)
        return _tell(Submitted(record.run_id, target.name, status["state"], again), wish, record, book, announce)


def _check_upgrade(upgrade: bool, inputs: prepare.Inputs) -> None:
    if upgrade and inputs.bundle is not None:
        raise InputError("--upgrade asks an index, and --bundle asks none", next_command="jobctl bundle --upgrade")


def _tell(
    submitted: Submitted, wish: Wish, record: Record, book: Records, announce: Callable[[Submitted], None]
) -> Submitted:
    """The user is told: of the run, or that who did not want to wait got no cards. Raises NoCardsFree."""
    refused = refusal(record.status or {}, record.run_id, submitted.host) if wish.wait_s == 0 else None
    if refused is None:
        announce(submitted)
    record.told = True
    book.save(record)
    if refused is not None:
        raise refused
    return submitted


def _ask(channel: HostChannel, record: Record) -> dict[str, Any] | None:
    reply = channel.call("status", run_ids=[record.run_id])
    return Answer(channel.host, reply.header).status_of(record.run_id)


def _tell_warnings(status: dict[str, Any], tell: Listener) -> None:
    for warning in status.get("warnings") or []:
        tell.note(f"warning: {warning['text']}")


def read_inputs(written: prepare.Written, tell: Listener, bundle: str | Path | None = None) -> prepare.Inputs:
    """Code, data and secrets of this machine, or of a bundle; what is left out is told. Raises InputError."""
    opened = bundling.open_for(written, bundle, tell) if bundle is not None else None
    tell.note("reading code and data")
    inputs = prepare.gather_inputs(written, progress=tell.progress, bundle=opened)
    for name, tree in [("code", inputs.code), *inputs.data.items()]:
        if tree and tree.left_out:
            more = f" and {len(tree.left_out) - 3} more" if len(tree.left_out) > 3 else ""
            tell.note(f"{name}: left out: {'; '.join(map(str, tree.left_out[:3]))}{more}")
        for warning in tell_pointers(tree.pointers) if tree else ():
            tell.note(f"warning: {name}: {warning}")
    return inputs


def _new_record(written: prepare.Written, host: Host) -> Record:
    now = time.time()
    run_id = make_run_id(written.job.name, date.fromtimestamp(now), secrets.token_hex(2))
    record = Record(run_id, written.job.name, host.name, host.model_dump(mode="json"), now, config=str(written.config))
    record.lock = str(path_of(written.config.absolute()))
    record.token = secrets.token_hex(16)
    return record


def _send(
    lanes: Lanes,
    written: prepare.Written,
    inputs: prepare.Inputs,
    container: dict[str, Any] | None,
    record: Record,
    wish: Wish,
    upgrade: bool,
    tell: Listener,
    book: Records,
) -> Answer:
    """Code, data, and the request that starts it. What the host says to that: the run's status."""
    job = written.job
    shipped = ship(lanes, written, inputs, container, record.host["runtime"], upgrade, tell, book)
    record.packages = shipped.pinned.digest if shipped.pinned else ""
    spec = make_run_spec(
        job,
        run_id=record.run_id,
        submitted_at=record.submitted_at,
        submitted_by=f"{_user()}@{socket.gethostname()}",
        code=shipped.code,
        cards_wanted=wish.cards,
        exclusive=wish.exclusive,
        wait_s=wish.wait_s,
        lease_dir=record.host["lease_dir"],
        container=container,
        lock=shipped.pinned.spec if shipped.pinned else None,
    )
    files = make_run_files(job, written.template.helpers)
    if inputs.secrets:
        files[_SECRETS] = json.dumps(dict(inputs.secrets)).encode()
    if webhook := find_webhook(written.notify):
        files[WEBHOOK] = json.dumps({"url": webhook, "host": record.host_name}).encode()
    request = {
        "run_id": record.run_id,
        "spec": {**spec, "token": record.token},
        "code": shipped.code.get("tree"),
        "data": shipped.data,
        **shipped.brought,
        "files": [[path, 0o600 if path in _PRIVATE else 0o644, len(content)] for path, content in files.items()],
    }
    tell.note("starting the run")
    send_again = partial(send_trees, lanes, job, inputs, tell, look=True)
    return _launch(lanes.channel, record, book, request, b"".join(files.values()), tell, send_again)


def _launch(
    channel: HostChannel,
    record: Record,
    book: Records,
    request: dict[str, Any],
    payload: bytes,
    tell: Listener,
    send_again: Callable[[], object],
) -> Answer:
    """The request that starts the run; from here on there may be one. `send_again`: trees that have gone meanwhile."""
    record.sent = True
    book.save(record)
    try:
        try:
            reply = channel.call("launch", payload, **request)
        except TreeGone as error:
            tell.note(f"sending again: {error.what}")
            send_again()
            reply = channel.call("launch", payload, **request)
    except ConnectionLost:
        raise
    except JobctlError:
        # The host said no. Whether it has something of the run all the same, it knows itself.
        found = Answer(channel.host, channel.call("status", run_ids=[record.run_id]).header)
        record.sent = found.status_of(record.run_id) is not None
        raise
    return Answer(channel.host, reply.header)


def _explained(error: JobctlError, record: Record, book: Records) -> JobctlError:
    """Where the host was never asked to start the run, nothing of it exists, and the record goes."""
    if not record.sent:
        book.remove(record.run_id)
        return error
    book.save(record)
    return type(error)(
        f"{error.what} ({record.run_id} may have been started)",
        where=error.where,
        value=error.value,
        hint="the same submit again finds out: it never starts a second one",
        next_command="jobctl ps",
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in containers
        return str(os.getuid())
