from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobctl.cli import show
from jobctl.cli.options import json_option, set_option

if TYPE_CHECKING:
    from jobctl.api import Bundled


@click.command("bundle")
@click.argument("config", type=click.Path(), required=False)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Where the bundle is written.")
@set_option
@click.option("--arch", type=click.Choice(["x86_64", "aarch64"]), help="Of the hosts. Default: this machine's.")
@click.option(
    "--python", metavar="VERSION", help="Of the hosts, such as 3.9. Default: that of the job's `python`, or ours."
)
@click.option("--glibc", metavar="VERSION", help="The hosts' C library is at least this one; default 2.28.")
@click.option(
    "--image",
    is_flag=False,
    flag_value="",
    metavar="[TAR]",
    help="With the job's container image: by `docker save`, or this tar.",
)
@click.option("--upgrade", is_flag=True, help="The newest packages in place of those in the lock beside CONFIG.")
@click.option("--check", metavar="FILE", type=click.Path(), help="Verify a bundle and list what is in it.")
@json_option
def main(
    config: str | None,
    output: str | None,
    sets: tuple[str, ...],
    arch: str | None,
    python: str | None,
    glibc: str | None,
    image: str | None,
    upgrade: bool,
    check: str | None,
    as_json: bool,
) -> None:
    """Put all that the job of CONFIG needs into one file: packages, code, what its stages download, and the image.

    `submit --bundle FILE` then runs it on a host without any network. What was fetched before a cut is not fetched
    again.
    """
    from jobctl import api

    if check is not None and (config is not None or output is not None):
        raise click.UsageError("--check FILE goes without CONFIG and -o")
    with show.Teller() as teller:
        if check is not None:
            made = api.check_bundle(check, listener=teller)
        elif config is None or output is None:
            raise click.UsageError("CONFIG and -o FILE are needed, or --check FILE")
        else:
            made = api.bundle(
                config,
                output,
                sets=sets,
                arch=arch,
                python=python,
                glibc=glibc,
                image=image,
                upgrade=upgrade,
                listener=teller,
            )
    if as_json:
        return show.as_json("bundle", _data(made))
    _show(made)


def _data(made: Bundled) -> dict[str, Any]:
    contents = made.contents
    trees = {
        name: {"files": len(rows), "size_bytes": sum(row.size for row in rows)} for name, rows in contents.trees.items()
    }
    return {
        "path": str(made.path),
        "name": contents.name,
        "target": contents.target.model_dump(),
        "code": contents.code.model_dump(),
        "packages": [package.model_dump() for package in contents.packages],
        "downloads": list(contents.downloads),
        "image": contents.image,
        "trees": trees,
    }


def _show(made: Bundled) -> None:
    contents = made.contents
    show.text(f"{made.path}: {contents.name}, for {contents.target}")
    where = " ".join(filter(None, (contents.code.git, contents.code.ref, contents.code.commit)))
    for name, rows in contents.trees.items():
        size = sum(row.size for row in rows)
        about = {"code": where, "downloads": " ".join(contents.downloads), "image": contents.image or ""}.get(name, "")
        show.text(f"  {name}: {len(rows)} files, {show.size(size)}" + (f"  {about}" if about else ""))
        for row in rows if name == "wheels" else ():
            show.text(f"    {row.path}  {show.size(row.size)}")
