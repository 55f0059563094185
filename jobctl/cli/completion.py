from __future__ import annotations

import click

from jobctl.cli import show


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def main(shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: jobctl completion bash > ~/.local/share/bash-completion/completions/jobctl
    """
    from click.shell_completion import get_completion_class

    from jobctl.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    show.text(kind(cli, {}, "jobctl", "_JOBCTL_COMPLETE").source())
