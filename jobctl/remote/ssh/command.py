r"""The one line of text that SSH gives to the login shell for an argv: the only place where `shlex.join` stands.

SSH carries no argv, it carries a line that the account's login shell parses, and that shell may be anything:

    fish   reads `\\` and `\'` inside single quotes as escapes, so `shlex.quote` is not safe there
    csh    expands `!` and refuses a newline inside single quotes
    zsh    reads a word that starts with `=` as a path look-up

So the argv is quoted for POSIX `sh`, then every byte outside a plain set becomes `\0ooo` (octal), which is the same
text for all of these shells inside single quotes, and `/bin/sh` undoes it with `printf %b`. `exec` replaces the shell
each time: the program is sshd's own child, so a signal that ends it is reported as a signal.

A login shell may also print (an `echo` in ~/.bashrc, "This account is currently not available."). `START` is written to
standard output right before the program starts; what comes before it is not the program's.
Seen with bash 5.2, dash 0.5.12, zsh 5.9, fish 3.6, bsd-csh 20110502, tcsh 6.24.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

START = b"\x1ejobctl\x1e"
_PLAIN = frozenset(b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "$@+=:,./_-<>(){}[]&|;#~?*^')
_WORD_BYTES = 150
"""Source bytes a word: bsd-csh takes no word of 1,024 characters. `printf %b` puts the words together again."""
_READER = r'printf "\036jobctl\036"; eval "exec $(printf %b "$@")"'


def make_remote_command(argv: Sequence[str]) -> str:
    """The line for `argv`, in ASCII without newlines. Raises ValueError for an empty argv and for NUL bytes."""
    if not argv or any("\0" in word for word in argv):
        raise ValueError(f"not an argv that a program can be given: {list(argv)!r}")
    quoted = os.fsencode(shlex.join(argv))
    encoded = [chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in quoted]
    words = ("'" + "".join(encoded[i : i + _WORD_BYTES]) + "'" for i in range(0, len(encoded), _WORD_BYTES))
    return f"exec /bin/sh -c '{_READER}' sh {' '.join(words)}"
