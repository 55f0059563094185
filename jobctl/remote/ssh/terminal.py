"""The person at the terminal, asked for passwords and passphrases."""

from __future__ import annotations

import getpass
import sys
import threading
from pathlib import Path

from jobctl.remote.ssh.settings import Prompts

_one_question = threading.Lock()
"""Several hosts may be connected at the same time; each question says which one it is from."""


class Terminal:
    """Asks on the controlling terminal, as ssh does, whatever standard input and output are."""

    def ask_secret(self, question: str) -> str | None:
        with _one_question:
            try:
                return getpass.getpass(question)
            except EOFError:
                return None


def find_terminal() -> Prompts | None:
    """The terminal, when somebody sees standard error on it; None in scripts, notebooks and CI."""
    if not sys.stderr.isatty():
        return None
    try:
        with Path("/dev/tty").open("rb"):
            return Terminal()
    except OSError:
        return None
