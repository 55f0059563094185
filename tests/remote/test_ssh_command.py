"""An argv arrives as it was, whatever the account's login shell is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobctl.remote.ssh.command import START, make_remote_command

PRINT_ARGV = [sys.executable, "-c", "import os, sys; print([os.fsencode(word) for word in sys.argv[1:]])"]

WORDS = [
    "",
    " ",
    "it's",
    'say "x"',
    "$(touch pwned) `id` ${HOME}",
    "a\nb",
    "\n",
    "ends with newline\n",
    "history! !! !$",
    "\\",
    "\\'; touch pwned; '",
    "\\\\n \\0101 %s%n",
    "=ls",
    "%self",
    "~root/*?[a-z]{a,b}^#",
    "中文 ü",
    "\udcff\udc80 not UTF-8",
    "-n",
    "\x01\t\x1b\x7f",
    "long" * 10_000,
]

SHELLS = ["sh", "bash", "dash", "zsh", "fish", "bsd-csh", "tcsh"]


def as_login_shell(shell: str, argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    """What sshd does: the account's shell, -c, and the line (session.c, do_child)."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"this login shell is not installed: sudo apt-get install -y {shell.replace('bsd-csh', 'csh')}")
    return subprocess.run(
        [program, "-c", make_remote_command(argv)], capture_output=True, env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_every_word_arrives_through_every_login_shell(shell: str) -> None:
    done = as_login_shell(shell, [*PRINT_ARGV, *WORDS])
    expected = str([word.encode("utf-8", "surrogateescape") for word in WORDS])
    assert done.stdout.removeprefix(START).decode() == expected + "\n"
    assert done.stdout.startswith(START)
    assert done.stderr == b""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_is_not_hidden_by_the_login_shell(shell: str) -> None:
    assert as_login_shell(shell, ["sh", "-c", "kill -TERM $$"]).returncode == -15


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_that_is_not_there_exits_with_127(shell: str) -> None:
    assert as_login_shell(shell, ["no such program; touch pwned"]).returncode == 127


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30), max_size=4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_the_line_is_plain_ascii_and_comes_back_as_the_argv(words: list[str]) -> None:
    line = make_remote_command(["printf", "%s\\0", *words, "end"])
    assert line.isascii() and line.isprintable()
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True)
    assert done.stdout.removeprefix(START).decode() == "\0".join([*words, "end", ""])


@pytest.mark.parametrize("argv", [[], ["a\0b"]])
def test_what_no_program_can_be_given_is_refused(argv: list[str]) -> None:
    with pytest.raises(ValueError, match="argv"):
        make_remote_command(argv)
