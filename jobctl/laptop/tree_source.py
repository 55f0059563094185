"""Trees of files that the user names: where their manifest and their contents come from.

Four kinds: a working tree (here), a commit of a git repository (`git_source`), a folder of data and zip archives
(`data_source`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from jobctl.errors import InputError
from jobctl.laptop.folder_tree import FolderTree, Listed, Reading
from jobctl.laptop.git_listing import Listing, Question, ask_status
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.walk import list_folders
from jobctl.plan.manifest import Base, Entry, LeftOut, Manifest

OUTPUT = "output"
OUTPUT_OF_ITS_OWN = "the run has its own"
EXCLUDED = "excluded by `code.exclude`"


class TreeSource(Protocol):
    """A tree that can be sent."""

    manifest: Manifest
    base: Base | None
    """What it was before it changed, where that is known: a host that has that one needs the difference only."""
    is_new: bool
    """It was not like this when it was last read, if it ever was: then hardly any host has it."""
    left_out: tuple[LeftOut, ...]
    """What is not sent although it is there."""
    pointers: tuple[str, ...]
    """Files that git-lfs has not fetched: what is there, and sent, is a pointer of three lines."""

    @property
    def commit(self) -> str | None:
        """The git commit it stands for, if any; "+" behind it where there is uncommitted work."""

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """The entries' bytes, in pieces. Raises TransferError for a file that has changed or gone."""

    def file(self, entry: Entry) -> Path | None:
        """Where the bytes of an entry lie as a file of their own; None where they do not."""


def make_working_tree(folder: Path, exclude: Iterable[str], cache: TreeCache) -> FolderTree:
    """A local working tree: uncommitted work included, what git ignores left out. Without git: all files."""
    if not folder.is_dir():
        raise InputError(
            "no such code folder on this machine", where=str(folder), hint="`code.path` is relative to the config"
        )
    patterns = tuple(exclude)
    question = Question(folder)  # git answers while we look at the files
    reading = Reading(folder, json.dumps(["code", os.path.abspath(folder), patterns]), cache, follow_links=False)
    remembered = reading.last.listing if reading.last else None
    answer = question.answer(remembered)
    if answer is None:
        listed = list_folders(folder, remembered, follow_links=False)
        if listed.names is not None:
            listed = _chosen(listed.said, listed.names, (), patterns)
        return reading.tree(listed)
    if answer.said is remembered:
        listed = Listed(answer.said, None)
    else:
        listed = _chosen(answer.said, answer.names, answer.left_out, patterns)
    tree = reading.tree(listed)
    tree.ask_commit = _commit(folder, question.head(), answer, tree, reading)
    return tree


def _commit(
    folder: Path, head: str | None, listing: Listing, tree: FolderTree, reading: Reading
) -> Callable[[], str | None]:
    """Whether there is uncommitted work follows from the commit, what git lists, and the files: where these are what
    they were, git is not asked again; else it thinks about it while other things are done.
    """
    if head is None:
        return lambda: None
    state = [head, tree.manifest.digest, listing.said]
    if (noted := reading.cache.note(reading.key)) and noted[0] == state:
        return lambda: str(noted[1])
    answer: Future[str | None] = Future()

    def ask() -> None:
        try:
            commit = ask_status(folder, head, listing)
            reading.cache.save_note(reading.key, [state, commit])
            answer.set_result(commit)
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=ask, name="jobctl-git-status").start()
    return answer.result


def _chosen(said: Any, names: Iterable[str], left_out: Iterable[LeftOut], patterns: tuple[str, ...]) -> Listed:
    """Less what the config excludes, and `output/`: earlier trainings here, large, never wanted there, and in the way
    of the run's own folder of that name.
    """
    given = list(names)
    own = [name for name in given if name != OUTPUT and not name.startswith(OUTPUT + "/")]
    kept = without(own, patterns)
    rows = list(left_out)
    if len(own) < len(given):
        rows.append(LeftOut(OUTPUT_OF_ITS_OWN, (OUTPUT + "/",), len(given) - len(own)))
    if len(kept) < len(own):
        rows.append(LeftOut(EXCLUDED, files=len(own) - len(kept)))
    return Listed(said, sorted(kept), tuple(rows))


def without(paths: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """The paths that no git-style pattern matches."""
    patterns = tuple(exclude)
    if not patterns:
        return list(paths)
    import pathspec

    spec = pathspec.GitIgnoreSpec.from_lines(patterns)
    return [path for path in paths if not spec.match_file(path)]
