from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

import click

from jobctl.cli import show
from jobctl.cli.options import json_option


@click.command("demo")
@click.option(
    "--dir",
    "folder",
    default="jobctl-demo",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Everything is written below it.",
)
@click.option("--iters", default=120, show_default=True, type=click.IntRange(min=3), help="Training iterations.")
@json_option
def main(folder: str, iters: int, as_json: bool) -> None:
    """Run the main job on this machine alone: SSH, training by four processes on the CPU, export, inference, pull.

    Needs no root, no SSH server, no card and no dataset; packages come from PyPI (about 1.2 GB installed, once).
    """
    try:
        from jobctl.demo.run import evaluations, run_demo
    except ModuleNotFoundError as error:
        from jobctl.errors import InputError

        missing = InputError(
            "the demo needs one more package", value=error.name, next_command="pip install asyncssh 'plotext<6'"
        )
        raise missing from None
    teller = show.Teller()
    started = time.monotonic()
    result = run_demo(Path(folder), teller.note, iters=iters)
    if as_json:
        return show.as_json("demo", result)
    _draw(evaluations(Path(result["metrics"])))
    show.text(f"best mIoU    {result['best_miou']:.4f} (on four made pictures: it shows that training works, no more)")
    show.text(f"prediction   {result['prediction']}")
    show.text(f"its input    {result['input']}")
    show.text(f"results      {result['results']}")
    show.text(f"took         {show.duration(time.monotonic() - started)}")
    teller.note(f"look at it again: JOBCTL_HOME={shlex.quote(result['records'])} jobctl status")
    teller.note("next, with a host of yours: jobctl init my-lab")


def _draw(points: list[tuple[int, float]]) -> None:
    import plotext

    canvas: Any = plotext
    canvas.plot([at for at, _ in points], [miou for _, miou in points], marker="braille")
    canvas.title("mIoU on the evaluation pictures, by iteration")
    canvas.plotsize(72, 14)
    canvas.theme("clear")
    show.text(canvas.build())
