from __future__ import annotations

import codecs
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import click

from jobctl.cli import show
from jobctl.cli.desktop import tell_desktop
from jobctl.cli.options import complete_stage, json_option, run_argument

if TYPE_CHECKING:
    from jobctl.api import LogFollower
    from jobctl.cli.log_lines import Line


_STILL_LOOKING_S = 2.0  # whoever has begun to follow a moment ago, perhaps a run that is over, needs no message


def _parse_rank(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "all":
        return value
    if value.isascii() and value.isdigit() and len(value) < 7:
        return int(value)
    raise click.BadParameter(f"{value!r} is not a rank: 0, 1, ... or all")


@dataclass(frozen=True)
class Wish:
    """What is to be shown. `grep`: only lines in which this regular expression is found."""

    stage: str | None = None
    rank: Any = None
    tail: int | None = None
    since: str | None = None
    grep: str | None = None
    follow: bool = True
    as_json: bool = False


@click.command("logs")
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends; lost connections are made again.")
@click.option("--stage", metavar="NAME", shell_complete=complete_stage, help="Only this stage.")
@click.option(
    "--rank",
    metavar="N|all",
    callback=_parse_rank,
    help="What this rank wrote (Paddle's workerlog), or all ranks, each line marked.",
)
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Begin with the last N lines.")
@click.option(
    "--since", metavar="TIME", help="Begin there: 10m or 2h ago, or '2026-11-23 00:13', by the lines' stamps."
)
@click.option("--grep", metavar="REGEX", help="Only lines in which this is found.")
@json_option
def main(run: str | None, as_json: bool, **wish: Any) -> int:
    """Show a run's logs: all stages in order, or one stage, or its ranks. Ctrl-C detaches; the run goes on."""
    return follow_run(run, Wish(as_json=as_json, **wish))


def follow_run(run: str | None, wish: Wish, *, to_stderr: bool = False) -> int:
    """The exit code: with `follow` 1 when the run did not succeed."""
    from jobctl import api

    with show.Teller() as teller:
        follower = api.logs(
            run,
            stage=wish.stage,
            rank=wish.rank,
            tail=wish.tail,
            since=wish.since,
            follow=wish.follow,
            listener=teller,
        )
        began = time.monotonic()
        try:
            if wish.as_json:
                _print_json(follower, wish)
            else:
                _print(follower, wish, sys.stderr if to_stderr else sys.stdout)
        except KeyboardInterrupt:
            run_id = follower.record.run_id
            teller.note(f"\ndetached; the run goes on. Again: jobctl logs -f {run_id}   End it: jobctl cancel {run_id}")
            return 130
        _tell_end(follower, teller, wish.follow)
        if wish.follow and time.monotonic() - began > _STILL_LOOKING_S:
            tell_desktop(f"{follower.record.run_id}: {follower.state}", follower.reason or "")
    return 0 if not wish.follow or follower.state == "SUCCEEDED" else 1


def _print(follower: LogFollower, wish: Wish, stream: TextIO) -> None:
    """Bytes as they are; line by line where lines are chosen or marked."""
    printer = show.LogPrinter(stream)
    if wish.rank != "all" and wish.grep is None:
        for piece in follower:
            printer.write(piece.data)
        return
    from jobctl.cli.log_lines import prefix, wants_colours

    colours = wants_colours(stream.isatty())
    for line in _lines(follower, wish):
        end = b"" if line.data.endswith(b"\n") else b"\n"
        printer.write(line.data + end, mark=prefix(line.rank, colours))


def _lines(follower: LogFollower, wish: Wish) -> Iterator[Line]:
    from jobctl.cli.log_lines import Lines

    lines = Lines(wish.grep)
    for piece in follower:
        yield from lines.feed(piece)
    yield from lines.rest()


def _tell_end(follower: LogFollower, teller: show.Teller, follow: bool) -> None:
    """How the run ended, or, where there was nothing to show, why not."""
    if not follow and follower.bytes_read:
        return
    run_id = follower.record.run_id
    why = f": {follower.reason}" if follower.reason else ""
    nothing = "" if follower.bytes_read else "nothing was logged of what is asked for; "
    teller.note(f"{nothing}{run_id}: {follower.state}{why}")
    if follower.state not in ("SUCCEEDED", "RUNNING", "QUEUED", "STAGING"):
        teller.note(f"next: jobctl status {run_id}")


def _print_json(follower: LogFollower, wish: Wish) -> None:
    # One decoder a file: a character may be cut in two between pieces.
    decoders: dict[str, codecs.IncrementalDecoder] = defaultdict(
        lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    pieces = [
        {
            "file": piece.file,
            "offset": piece.offset,
            "text": decoders[piece.file].decode(piece.data),
            **({} if piece.rank is None else {"rank": piece.rank}),
        }
        for piece in (follower if wish.grep is None else _lines(follower, wish))
    ]
    show.as_json("logs", {"run_id": follower.record.run_id, "state": follower.state, "pieces": pieces})
