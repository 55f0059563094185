"""Turns what goes wrong into a message on standard error and an exit code.

0 ok   1 the job failed   2 the user's input   3 a host   4 a transfer   5 a run that is not there   130 interrupted
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
from pathlib import Path

import click

from jobctl.cli.show import json_error
from jobctl.errors import InputError, JobctlError
from jobctl.monitor.plain import plain


def run_reporting_failures(command: click.Command, args: list[str]) -> int:
    """Run the command line; returns the exit code."""
    _ready_streams()
    try:
        result = command.main(args=args, prog_name="jobctl", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except JobctlError as error:
        _report(error, args)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        _report(_as_input_error(error), args)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing to report, and nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            return _no_room(error)
        return _bug(error)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def _no_room(error: OSError) -> int:
    """The output or a file cannot be written: for the machine's owner to mend, not for us."""
    with contextlib.suppress(OSError):  # what is still unwritten must not fail again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with contextlib.suppress(OSError):
        click.echo(f"error: cannot write: {error.strerror}\n  where: {error.filename or 'standard output'}", err=True)
    return 2


def _ready_streams() -> None:
    """Output for every locale, and where there is none (`>&-`).

    What an encoding lacks, lone surrogates of file names among it, is written as an escape; JSON has the same ones.
    """
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for as long as we live
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _as_input_error(error: click.ClickException) -> InputError:
    """What click found wrong with the words of the command, in our form."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "jobctl"
    named = getattr(error, "param", None)
    hint = "-i inventories/lab.yaml, or once: export JOBCTL_INVENTORY=inventories/lab.yaml"
    needs_inventory = isinstance(error, click.MissingParameter) and named is not None and named.name == "inventory"
    return InputError(error.format_message(), hint=hint if needs_inventory else "", next_command=f"{path} --help")


def _report(error: JobctlError, args: list[str]) -> None:
    if "--json" in args:
        command = next((word for word in args if not word.startswith("-")), "")
        json_error(command, error)
    message = plain(str(error)) if sys.stderr.isatty() else str(error)
    click.echo(click.style("error: ", fg="red", bold=True) + message, err=True)


def _bug(error: Exception) -> int:
    """Ours to mend. The traceback goes to a file, which the user can send us."""
    import tempfile

    click.echo(f"error: jobctl has a bug: {type(error).__name__}: {error}", err=True)
    with tempfile.NamedTemporaryFile("w", prefix="jobctl-bug-", suffix=".txt", delete=False) as file:
        file.write(f"{sys.argv}\n\n{traceback.format_exc()}")
    click.echo(f"  next:  please report it, with {file.name}", err=True)
    return 70
