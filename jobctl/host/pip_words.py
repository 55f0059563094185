"""What went wrong with pip, in a sentence with a remedy. Pure. Messages as pip 20 to 25 prints them."""

from __future__ import annotations

import re
from typing import List, Optional, Tuple

# In this order: an index that cannot be reached is also reported as "No matching distribution" further down.
_CAUSES: List[Tuple[str, str]] = [
    (
        r"No space left on device|Disk quota exceeded",
        "the disk is full where environments are kept; free some, or set another work_dir",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "the package index's certificate is not accepted; a proxy or an old certificate store is in between",
    ),
    (
        r"Failed to establish a new connection|Temporary failure in name resolution|Name or service not known"
        r"|ConnectTimeout|Read timed out|ProxyError|Network is unreachable|No route to host|NewConnectionError"
        r"|Failed to resolve",
        "the package index cannot be reached from this host; name a mirror that can, or take a bundle along",
    ),
    (r"\b40[13] (?:Client )?Error", "the package index refuses us; its credentials are missing or wrong"),
    (r"DO NOT MATCH THE HASHES", "a package is not the one that the hashes were written for"),
    (r"ResolutionImpossible|conflicting dependencies", "the packages asked for contradict each other"),
    (
        r"No matching distribution found|is not a supported wheel on this platform",
        "the index has no build of it for this Python and this machine's architecture",
    ),
    (r"Could not open requirements file", "a requirements file is not in the code tree"),
    (
        r"error: command '.*(?:gcc|g\+\+|cc)|Failed building wheel|subprocess-exited-with-error",
        "a package had to be built from source here and could not; look for one that has a wheel",
    ),
]


_DECISIVE = 3  # disk, certificate, network: they say more than what follows from them

_LOCKED: List[Tuple[str, str]] = [
    (
        r"DO NOT MATCH THE HASHES",
        "the index has another file of this version than the lock; `jobctl submit --upgrade` takes what is there now",
    ),
    (
        r"No matching distribution found",
        "the lock names it, and the index has it no more, or not for this machine; `jobctl submit --upgrade` takes "
        "what is there now, `jobctl lock` shows what worked before",
    ),
]


def contradicts(output: str) -> bool:
    """Whether pip failed because versions do not go together, or one is not to be had."""
    return re.search(r"ResolutionImpossible|conflicting|No matching distribution found", output) is not None


def explain_pip(output: str, python: str, locked: bool = False) -> str:
    """One line: pip's own last error and what it means. `python` names the interpreter and architecture. `locked`:
    exact versions were asked for that a lock names.
    """
    errors = [line.strip() for line in output.splitlines() if line.startswith(("ERROR: ", "error: "))]
    said = errors[-1].partition(": ")[2] if errors else last_line(output)
    unreachable, others = _CAUSES[:_DECISIVE], _CAUSES[_DECISIVE:]
    for pattern, remedy in unreachable + (_LOCKED if locked else []) + others:
        if re.search(pattern, output):
            return "pip: {} ({}; {})".format(_decisive(errors, pattern) or said, remedy, python)
    return "pip: {} ({})".format(said, python)


def hide_credentials(text: str) -> str:
    """`text` with "user:password@" of every address taken out."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def _decisive(errors: List[str], pattern: str) -> Optional[str]:
    return next((line.partition(": ")[2] for line in errors if re.search(pattern, line)), None)


def last_line(output: str) -> str:
    """The last line with anything on it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"
