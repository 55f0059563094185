"""Begins to tell that a run is over (webhook.py), where its submitter wanted to be told."""

from __future__ import annotations

import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from .names import WEBHOOK
from .program import argv_of


def tell_of_end(run_dir: Path) -> None:
    """In a process of its own: a run neither waits nor fails for it."""
    if not (run_dir / WEBHOOK).exists():
        return
    with suppress(OSError), open(str(run_dir / "supervisor.log"), "ab") as log:
        argv = argv_of("webhook", str(run_dir))
        null = subprocess.DEVNULL
        child = subprocess.Popen(argv, cwd="/", stdin=null, stdout=log, stderr=log, start_new_session=True)
        threading.Thread(target=child.wait, daemon=True).start()  # no zombie while this process lives
