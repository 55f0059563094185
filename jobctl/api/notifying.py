"""The web address that a run's host tells of its end: from the config, or for all runs from JOBCTL_WEBHOOK."""

from __future__ import annotations

import os
from pathlib import Path

from jobctl.errors import InputError, JobctlError
from jobctl.laptop import places
from jobctl.laptop.records import Record
from jobctl.spec.config import load_config
from jobctl.spec.fields import Misfit
from jobctl.spec.notify import Notify, check_webhook

DEFAULT_VARIABLE = "JOBCTL_WEBHOOK"


def find_webhook(notify: Notify | None) -> str | None:
    """The address; None: nobody is told. Raises InputError for a variable that is missing or holds none."""
    if notify is not None and notify.webhook is not None:
        return notify.webhook
    name = (notify.webhook_env if notify else None) or DEFAULT_VARIABLE
    url = os.environ.get(name, "")
    if not url and notify is None:
        return None
    if not url:
        raise InputError(
            "the variable that holds the address to notify is not set",
            where="notify.webhook_env",
            value=name,
            next_command=f"export {name}=https://...",
        )
    try:
        return check_webhook(url)
    except Misfit as problem:  # without its value: it may be a secret
        raise InputError(f"the address to notify {problem}", where=f"the variable {name}", hint=problem.hint) from None


def find_webhook_again(record: Record) -> str | None:
    """The same for a run that was submitted already: its config is read again. Raises InputError where it cannot be."""
    path = Path(record.config)
    if not record.config or not path.is_file():
        return find_webhook(None)
    try:
        config = load_config(places.read_text(path, "config"), record.config)
    except JobctlError:  # changed since: a run is not kept from going on by that
        return find_webhook(None)
    return find_webhook(config.notify)
