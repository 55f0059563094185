from __future__ import annotations

import click

from jobctl.cli import show
from jobctl.cli.options import complete_stage, json_option, parse_cards, parse_wait, run_argument


@click.command("resume")
@run_argument
@click.option("--checkpoint", metavar="NAME|PATH", help="Go on from this one; default: the newest that is complete.")
@click.option(
    "--from",
    "stage",
    metavar="STAGE",
    shell_complete=complete_stage,
    help="Begin at this stage; default: the first that has not succeeded.",
)
@click.option("--cards", metavar="LIST", help="These cards, such as 4-7; as many as it began with.")
@click.option("--wait", metavar="TIME", help="Wait for cards at most so long, such as 2h or 30m; default: as before.")
@json_option
def main(
    run: str | None, checkpoint: str | None, stage: str | None, cards: str | None, wait: str | None, as_json: bool
) -> None:
    """Go on with RUN, which FAILED, was CANCELLED or is LOST: same id, same directory, from its newest checkpoint."""
    from jobctl import api

    with show.Teller() as teller:
        view = api.resume(
            run,
            checkpoint=checkpoint,
            stage=stage,
            cards=parse_cards(cards),
            wait_s=parse_wait(wait, False),
            listener=teller,
        )
    if as_json:
        show.as_json("resume", view.status)
    else:
        show.text(f"{view.record.run_id}: {view.status['state']}")
