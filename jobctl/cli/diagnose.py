from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobctl.cli import show
from jobctl.cli.options import complete_run, json_option
from jobctl.errors import InputError

if TYPE_CHECKING:
    from jobctl.api import Cause, Diagnosis


@click.command("diagnose")
@click.argument("what", metavar="[RUN | FILE...]", nargs=-1, shell_complete=complete_run)
@json_option
def main(what: tuple[str, ...], as_json: bool) -> int | None:
    """Say why RUN failed, or what the log FILEs tell of a failure; `-` is standard input.

    Causes come best first, each with how sure it is, its lines, and what to do.
    """
    from jobctl import api

    if _are_files(what):
        found: Diagnosis | None = api.diagnose_files(what)
        about: dict[str, Any] = {"run_id": None, "state": None}
    else:
        with show.Teller() as teller:
            answer = api.diagnose(what[0] if what else None, listener=teller)
        found = answer.diagnosis
        about = {"run_id": answer.record.run_id, "state": answer.status["state"]}
    if as_json:
        nothing = {"established": False, "causes": [], "codes": [], "read": []}
        show.as_json("diagnose", {**about, **(found.as_data() if found else nothing)})
        return None
    if about["run_id"]:
        show.text(f"{about['run_id']}: {about['state']}")
    if found is None:
        show.text("it has succeeded: there is nothing to explain")
        return None
    _show(found)
    return None


def _are_files(what: tuple[str, ...]) -> bool:
    """Whether files are meant. Raises InputError for one that is not there."""
    files = [name for name in what if name == "-" or Path(name).exists()]
    if len(files) == len(what) and what:
        return True
    missing = next((name for name in what if name not in files), None)
    if missing is not None and (files or len(what) > 1 or "/" in missing or "." in missing):
        raise InputError(
            "no such log file",
            value=missing,
            hint="either one RUN, or log files, folders of them, or - for standard input",
        )
    return False


def _show(found: Diagnosis) -> None:
    if not found.established and found.causes[0].source:  # what nobody knows has none, and says so itself
        show.text("The cause is not established. What it can be, best first:")
    shown = [cause for cause in found.causes if cause.sure != "possible"] if found.established else found.causes
    for number, cause in enumerate(shown, 1):
        _show_cause(number, cause)
    if found.codes:
        show.text("codes in the logs, by the vendor's tables:")
        rows = [(code.code, code.name, code.meaning + (f" · {code.hint}" if code.hint else "")) for code in found.codes]
        show.table(("CODE", "NAME", "MEANING"), rows)
    show.text(f"read: {', '.join(found.read)}")


def _show_cause(number: int, cause: Cause) -> None:
    show.text(f"{number}. {cause.summary}  [{cause.category}, {cause.sure}]")
    for line in cause.evidence:
        show.text(f"     | {line}")
    if cause.symptom:
        show.text("     the lines name a victim, not the cause")
    for why in cause.why:
        show.text(f"     because: {why}")
    show.text(f"     next: {cause.remedy}")
    if cause.source:
        show.text(f"     source: {cause.source}")
