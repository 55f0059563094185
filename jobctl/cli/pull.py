from __future__ import annotations

import click

from jobctl.cli import show
from jobctl.cli.options import json_option, limit_option, parse_rate, run_argument


@click.command("pull")
@run_argument
@click.option("--to", metavar="DIR", type=click.Path(file_okay=False), help="Target folder. Default: results/RUN.")
@click.option("--only", metavar="PATTERN", multiple=True, help="An artifact's name, a path or a glob. May be repeated.")
@click.option("-f", "--follow", is_flag=True, help="Bring each checkpoint as it is complete, until the run is over.")
@click.option("--tensorboard", is_flag=True, help="Write the metrics as event files too, into DIR/tensorboard.")
@click.option("--visualdl", is_flag=True, help="Write the metrics as VisualDL records too, into DIR/visualdl.")
@limit_option
@json_option
def main(
    run: str | None,
    to: str | None,
    only: tuple[str, ...],
    follow: bool,
    tensorboard: bool,
    visualdl: bool,
    limit_rate: str | None,
    as_json: bool,
) -> None:
    """Bring best model, exported model, predictions and logs of RUN here. Every file is checked by its hash.

    Only what is missing or differs travels; a pull that was cut goes on where it stopped.
    """
    from jobctl import api

    limit_bytes_s = parse_rate(limit_rate)
    tools = [name for name, wanted in (("tensorboard", tensorboard), ("visualdl", visualdl)) if wanted]
    with show.Teller() as teller:
        bring = api.follow if follow else api.pull
        pulled = bring(run, to=to, only=only, event_files=tools, limit_bytes_s=limit_bytes_s, listener=teller)
    if as_json:
        return show.as_json(
            "pull",
            {
                "folder": str(pulled.folder),
                "fetched": pulled.fetched,
                "unchanged": pulled.unchanged,
                "size_bytes": pulled.size_bytes,
                "changed": pulled.changed,
                "artifacts": pulled.artifacts,
                "empty": pulled.empty,
                "event_files": pulled.event_files,
            },
        )
    for name, paths in sorted(pulled.artifacts.items()):
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        show.text(f"{name:<16} {', '.join(paths[:3])}{more}")
    for name, glob in pulled.empty.items():
        show.text(f"{name:<16} (no file matches {glob})")
    for path in pulled.event_files:
        show.text(f"{'metrics':<16} {path}")
    if tools and not pulled.event_files:
        show.text(f"{'metrics':<16} (the run has printed none)")
    if pulled.changed:
        show.text(f"written to meanwhile, pull again: {', '.join(pulled.changed)}")
    show.text(
        f"{len(pulled.fetched)} files, {show.size(pulled.size_bytes)} new; {len(pulled.unchanged)} unchanged; "
        f"in {pulled.folder}"
    )
