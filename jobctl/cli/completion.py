from __future__ import annotations

import click

from jobctl.cli import show


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def main(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: jobctl completion bash > ~/.local/share/bash-completion/completions/jobctl
    zsh:  jobctl completion zsh > ~/.zfunc/_jobctl   (fpath+=~/.zfunc before compinit)
    fish: jobctl completion fish > ~/.config/fish/completions/jobctl.fish
    """
    from click.shell_completion import get_completion_class

    from jobctl.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    show.text(kind(cli, {}, "jobctl", "_JOBCTL_COMPLETE").source())
