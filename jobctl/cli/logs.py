from __future__ import annotations

import codecs
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from jobctl.cli import show
from jobctl.cli.options import json_option, run_argument

if TYPE_CHECKING:
    from jobctl.api import LogFollower


@click.command("logs")
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends; lost connections are made again.")
@click.option("--stage", metavar="NAME", help="Only this stage.")
@click.option("--rank", type=click.IntRange(min=0), help="The log of this rank alone (Paddle's workerlog).")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Begin with the last N lines.")
@json_option
def main(run: str | None, follow: bool, stage: str | None, rank: int | None, tail: int | None, as_json: bool) -> int:
    """Show a run's logs: all stages in order, or one stage, or one rank. Ctrl-C detaches; the run goes on."""
    return follow_run(run, stage=stage, rank=rank, tail=tail, follow=follow, as_json=as_json)


def follow_run(
    run: str | None,
    *,
    stage: str | None = None,
    rank: int | None = None,
    tail: int | None = None,
    follow: bool = True,
    as_json: bool = False,
    to_stderr: bool = False,
) -> int:
    """The exit code: with `follow` 1 when the run did not succeed."""
    from jobctl import api

    printer = show.LogPrinter(sys.stderr if to_stderr else sys.stdout)
    with show.Teller() as teller:
        follower = api.logs(run, stage=stage, rank=rank, tail=tail, follow=follow, listener=teller)
        try:
            if as_json:
                _print_json(follower)
            else:
                for piece in follower:
                    printer.write(piece.data)
        except KeyboardInterrupt:
            run_id = follower.record.run_id
            teller.note(f"\ndetached; the run goes on. Again: jobctl logs -f {run_id}   End it: jobctl cancel {run_id}")
            return 130
        _tell_end(follower, teller, follow)
    return 0 if not follow or follower.state == "SUCCEEDED" else 1


def _tell_end(follower: LogFollower, teller: show.Teller, follow: bool) -> None:
    """How the run ended, or, where there was nothing to show, why not."""
    if not follow and follower.bytes_read:
        return
    run_id = follower.record.run_id
    why = f": {follower.reason}" if follower.reason else ""
    nothing = "" if follower.bytes_read else "nothing was logged; "
    teller.note(f"{nothing}{run_id}: {follower.state}{why}")
    if follower.state not in ("SUCCEEDED", "RUNNING", "QUEUED", "STAGING"):
        teller.note(f"next: jobctl status {run_id}")


def _print_json(follower: LogFollower) -> None:
    # One decoder a file: a character may be cut in two between pieces.
    decoders: dict[str, codecs.IncrementalDecoder] = defaultdict(
        lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    pieces = [
        {"file": piece.file, "offset": piece.offset, "text": decoders[piece.file].decode(piece.data)}
        for piece in follower
    ]
    show.as_json("logs", {"run_id": follower.record.run_id, "state": follower.state, "pieces": pieces})
