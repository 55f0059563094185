"""Small pure helpers for git: addresses of submodules, and what went wrong in a sentence."""

from __future__ import annotations

import posixpath
import re
from typing import List, Optional, Tuple

_CAUSES: List[Tuple[str, str]] = [
    (r"No space left on device|Disk quota exceeded", "the disk is full"),
    (
        r"Could not resolve host|Failed to connect|Connection timed out|Connection refused|Network is unreachable",
        "it cannot be reached from this host; with `fetch: laptop` the code is cloned on the laptop and sent",
    ),
    (
        r"Authentication failed|could not read Username|Permission denied \(|terminal prompts disabled",
        "it wants a login that this host does not have; with `fetch: laptop` the laptop's is used",
    ),
    (r"Host key verification failed", "its SSH host key is not known on this host"),
    (r"couldn't find remote ref|not our ref|unadvertised object", "the commit or branch is not in it"),
    (r"dubious ownership", "the folder belongs to another user; git's `safe.directory` setting allows it"),
    (r"does not appear to be a git repository|not found|does not exist", "there is no repository"),
]


def explain_git(output: str, url: str) -> str:
    """One line: git's own last word about `url` and what it means."""
    lines = [line.strip() for line in output.replace("\r", "\n").splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    said = (fatal or lines or ["it ended without a word"])[-1]
    remedy = next((remedy for pattern, remedy in _CAUSES if re.search(pattern, output)), None)
    return "the code could not be had from {}: {}{}".format(url, said, " ({})".format(remedy) if remedy else "")


def submodule_url(parent: str, url: str) -> str:
    """The address of a submodule: `./` and `../` count from its parent's address (gitmodules(5))."""
    if not url.startswith(("./", "../")):
        return url
    match = re.match(r"([a-z+]+://[^/]*|[^/:]+@?[^/:]*:(?!//))?(.*)", parent.rstrip("/"), re.DOTALL)
    host, path = (match.group(1) or "", match.group(2)) if match else ("", parent)
    return host + posixpath.normpath(posixpath.join(path, url))


def parse_gitlinks(listing: bytes) -> List[Tuple[str, str]]:
    """(path, commit) of the submodules in what `git ls-tree -r -z` prints."""
    found = []
    for entry in listing.split(b"\0"):
        facts, tab, path = entry.partition(b"\t")
        words = facts.split()
        if tab and len(words) == 3 and words[1] == b"commit":
            found.append((path.decode("utf-8", "surrogateescape"), words[2].decode("ascii")))
    return found


def parse_submodules(config: bytes) -> List[Tuple[str, Optional[str]]]:
    """(path, url) from `git config -z --file .gitmodules --list`."""
    paths, urls = {}, {}
    for entry in config.split(b"\0"):
        key, _, value = entry.decode("utf-8", "surrogateescape").partition("\n")
        name, dot, field = key.rpartition(".")
        if dot and field == "path":
            paths[name] = value
        elif dot and field == "url":
            urls[name] = value
    return [(path, urls.get(name)) for name, path in paths.items()]
