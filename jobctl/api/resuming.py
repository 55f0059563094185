"""Resume: a run that failed, was cancelled or is lost goes on, as the same run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from jobctl.api.listener import Listener, Silent
from jobctl.api.notifying import find_webhook_again
from jobctl.api.runs import RunView, host_of
from jobctl.errors import InputError
from jobctl.laptop.records import Record, Records


def resume(
    run: str | None = None,
    *,
    checkpoint: str | None = None,
    stage: str | None = None,
    cards: Sequence[int] | None = None,
    wait_s: float | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
) -> RunView:
    """Go on with a run: from its first stage that has not succeeded, or from `stage`.

    A stage with `checkpoints` begins at its newest complete one, or at `checkpoint` (a name, or a path on the host).
    `cards`: by number, as many as it began with. `wait_s`: how long it may wait for them; None: as before.
    Raises InputError where the host refuses, with the reason; then nothing has changed. HostError, RunNotFound.
    """
    from jobctl.remote.answers import Answer
    from jobctl.remote.connect import connect

    book = records or Records()
    record = book.find(run)
    tell = listener or Silent()
    tell.note(f"connecting to {record.host_name}")
    with connect(host_of(record)) as channel:
        needs = Answer(channel.host, channel.call("resume_needs", run_id=record.run_id).header)
        webhook = _webhook(record, tell)
        brought = {"webhook": {"url": webhook, "host": record.host_name}} if webhook else {}
        secrets = _secrets([str(name) for name in needs.items("secrets")], record.run_id)
        tell.note(f"resuming {record.run_id}")
        reply = channel.call(
            "resume",
            json.dumps({"secrets": secrets, **brought}).encode(),
            run_id=record.run_id,
            checkpoint=checkpoint,
            stage=stage,
            cards=None if cards is None else list(cards),
            wait_s=wait_s,
        )
        status = Answer(channel.host, reply.header).status()
    book.seen(record, status)
    return RunView(record, status)


def _webhook(record: Record, tell: Listener) -> str | None:
    try:
        return find_webhook_again(record)
    except InputError as error:  # a run is not kept from going on by that
        tell.note(f"warning: nobody will be told of its end: {error.what}: {error.value or error.where}")
        return None


def _secrets(names: list[str], run_id: str) -> dict[str, str]:
    """From the environment: the host forgets them when a run ends."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise InputError(
            "a secret that the run needs is not in the environment",
            where=run_id,
            value=", ".join(missing),
            hint="the host forgets a run's secrets when it ends",
            next_command=f"export {missing[0]}=...",
        )
    return {name: os.environ[name] for name in names}
