from __future__ import annotations

import click

from jobctl.cli import show
from jobctl.cli.options import complete_run, json_option


@click.command("report")
@click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=complete_run)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="The file. Default: report-RUN.html here.")
@click.option("--png", metavar="DIR", type=click.Path(file_okay=False), help="The curves too, as PNG for a paper.")
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@json_option
def main(runs: tuple[str, ...], output: str | None, png: str | None, open_it: bool, as_json: bool) -> None:
    """Write one HTML file about RUN: curves, classes, stages, verdict, pictures; or compare several runs.

    The file needs no network. Where a host is away it is made of what was seen last.
    """
    from jobctl import api

    with show.Teller() as teller:
        reported = api.report(runs, to=output, png=png, listener=teller)
        if open_it and click.launch(str(reported.file.absolute())) != 0:
            teller.note(f"no browser could be started; the report is {reported.file}")
    if as_json:
        return show.as_json(
            "report",
            {
                "file": str(reported.file),
                "run_ids": reported.run_ids,
                "size_bytes": reported.size_bytes,
                "pictures": [str(path) for path in reported.pictures],
                "old": reported.old,
            },
        )
    show.text(str(reported.file))
    for path in reported.pictures:
        show.text(str(path))
