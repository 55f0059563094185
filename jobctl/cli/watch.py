from __future__ import annotations

import os
import sys

import click

from jobctl.cli import show
from jobctl.cli.desktop import tell_desktop
from jobctl.cli.options import run_argument
from jobctl.errors import InputError


@click.command("watch")
@run_argument
def main(run: str | None) -> None:
    """Watch RUN in the terminal: stages, curves, cards, the log; keys cancel, pull and open the report.

    Leaving it (q) leaves the run alone. A lost connection is made again; until then the last known state is shown with
    its age.
    """
    check_terminal()
    with show.Teller() as teller:
        from jobctl.watch.start import make_app

        app = make_app(run, teller, tell_desktop)
        app.run()
        if app.state in ("SUCCEEDED", "FAILED", "CANCELLED"):
            teller.note(f"{app.run_id}: {app.state}")
        else:
            teller.note(f"the run goes on. Again: jobctl watch {app.run_id}   End it: jobctl cancel {app.run_id}")


def check_terminal() -> None:
    """Raises InputError where nothing can be drawn."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # Textual draws on standard error
        why = "watch draws on a terminal, and this is none"
    elif os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        why = "watch needs a terminal that can move the cursor"
    else:
        return
    raise InputError(
        why, value=f"TERM={os.environ.get('TERM', '')}", hint="plain lines instead", next_command="jobctl logs -f"
    )
