from __future__ import annotations

import click

from jobctl.cli import show


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False))
def main(folder: str) -> None:
    """Write an example inventory, configs and templates into FOLDER (default: here). Overwrites nothing."""
    from jobctl.api.starting import init

    for path in init(folder):
        show.text(str(path))
    show.Teller().note(
        "next: put your hosts into inventories/lab.yaml, then\n"
        "  jobctl plan configs/deeplabv3p_cityscapes_4npu.yaml -i inventories/lab.yaml --host NAME"
    )
