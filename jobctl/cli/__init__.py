"""The command line: one small file for each command, imported when that command runs.

A command parses, makes one call of `jobctl.api`, and hands the result to `jobctl.cli.show`. Results go to standard
output, everything else to standard error.
"""

from __future__ import annotations

import gc
import importlib
import sys

import click

from jobctl import __version__

COMMANDS = {
    "init": "Write a starting inventory, config and template into a folder.",
    "doctor": "Can these hosts run it? Every check, with its remedy.",
    "render": "Show the job that a config means, with its commands.",
    "plan": "Show the steps of a submit, without doing any.",
    "send": "Bring a job's code and data to hosts, and start nothing.",
    "submit": "Send a job to a host and start it; prints the run's id.",
    "bundle": "Put all that a job needs into one file, for hosts without internet.",
    "lock": "Show which packages a config is held to, and go back to earlier ones.",
    "ps": "List runs: state, stage, progress, best mIoU.",
    "status": "Show one run whole.",
    "logs": "Show or follow a run's logs.",
    "watch": "Watch a run in the terminal: curves, cards, log, keys.",
    "diagnose": "Say why a run failed, or what a log file tells of a failure.",
    "cards": "Show the cards of all hosts: health, memory, who holds them.",
    "report": "Write one HTML file that shows a run, or compares several.",
    "resume": "Go on with a run that failed, was cancelled or is lost.",
    "cancel": "End a run and every process of it.",
    "pull": "Bring checkpoints, models, predictions and logs here.",
    "adopt": "Find runs on hosts that this machine does not know.",
    "gc": "Show or remove what nobody needs any more on the hosts.",
    "schema": "Print JSON Schemas for editors.",
    "completion": "Print the shell's completion script.",
    "demo": "Run the main job on this machine alone.",
}
"""Name -> one line of help; the code of each is in the module of the same name (`main` in it)."""


class _Commands(click.Group):
    """Knows the commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"jobctl.cli.{cmd_name}").main
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"there is no command {args[0]!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="jobctl")
def cli() -> None:
    """Submit PaddlePaddle training jobs from a laptop to Ascend hosts over SSH, watch them, pull the results back.

    RUN may be any unambiguous beginning of a run's id, and the newest run when left out.
    """


def main() -> None:
    """Entry point. Every error becomes a message and an exit code; nobody sees a traceback."""
    gc.set_threshold(200_000)  # start-up makes many objects and no garbage: to look for it took a tenth of the time
    from jobctl.cli.failures import run_reporting_failures

    sys.exit(run_reporting_failures(cli, sys.argv[1:]))
