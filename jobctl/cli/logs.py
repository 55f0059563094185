from __future__ import annotations

import sys

import click

from jobctl.cli import show
from jobctl.cli.options import json_option, run_argument


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

    sink = sys.stderr.buffer if to_stderr else sys.stdout.buffer
    with show.Teller() as teller:
        follower = api.logs(run, stage=stage, rank=rank, tail=tail, follow=follow, listener=teller)
        try:
            if as_json:
                _print_json(follower)
            else:
                for piece in follower:
                    sink.write(piece.data)
                    sink.flush()
        except KeyboardInterrupt:
            run_id = follower.record.run_id
            teller.note(f"\ndetached; the run goes on. Again: jobctl logs -f {run_id}   End it: jobctl cancel {run_id}")
            return 130
        if not follow:
            return 0
        teller.note(f"{follower.record.run_id}: {follower.state}")
    return 0 if follower.state == "SUCCEEDED" else 1


def _print_json(follower: object) -> None:
    from jobctl.api import LogFollower

    assert isinstance(follower, LogFollower)
    pieces = [
        {"file": piece.file, "offset": piece.offset, "text": piece.data.decode("utf-8", "replace")}
        for piece in follower
    ]
    show.as_json("logs", {"run_id": follower.record.run_id, "state": follower.state, "pieces": pieces})
