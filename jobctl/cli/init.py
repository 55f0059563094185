from __future__ import annotations

import shlex

import click

from jobctl.cli import show
from jobctl.cli.options import json_option


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@json_option
def main(folder: str, as_json: bool) -> None:
    """Write an example inventory, configs and templates into FOLDER (default: here). Overwrites nothing."""
    from jobctl.api.starting import init

    written = [str(path) for path in init(folder)]
    if as_json:
        return show.as_json("init", {"files": written})
    for path in written:
        show.text(path)
    enter = f"cd {shlex.quote(folder)}; " if folder != "." else ""
    show.Teller().note(
        f"next: {enter}put your hosts into inventories/lab.yaml, which is an example with a bastion, then\n"
        "  jobctl plan configs/deeplabv3p_cityscapes_4npu.yaml -i inventories/lab.yaml --host NAME"
    )
