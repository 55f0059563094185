"""What the builtin steps have in common: how they talk, and how they end. Their stdout is the stage's log."""

from __future__ import annotations

import sys
from typing import Callable

ERROR = "jobctl: error: "
"""Begins the last line of a builtin step that failed."""


class BuiltinError(Exception):
    """A builtin step cannot do its work; the message is for the user."""


def say(text: str) -> None:
    """One line into the stage's log."""
    sys.stdout.write("jobctl: {}\n".format(" ".join(text.split())))
    sys.stdout.flush()


def run_builtin(what: str, work: Callable[[], None]) -> int:
    """Do `work`. 0, or 1 with the reason as the last line, which becomes the stage's reason."""
    try:
        work()
    except BuiltinError as error:
        say("error: {}".format(error))
        return 1
    except OSError as error:
        say("error: {}: {} {}".format(what, error.strerror, error.filename or ""))
        return 1
    return 0
