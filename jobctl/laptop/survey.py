"""What of a tree is there and is not sent: counted, with bytes, for a preview. A submit spares itself this."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from jobctl.laptop.folder_tree import FolderTree
from jobctl.laptop.git_listing import Question, ask_ignored
from jobctl.laptop.tree_source import EXCLUDED, OUTPUT, OUTPUT_OF_ITS_OWN, TreeSource, without
from jobctl.laptop.walk import walk
from jobctl.plan.manifest import LeftOut

IGNORED = "ignored by git"
GIT_ITSELF = "git's own history"
_NAMED = 5


def survey(tree: TreeSource, exclude: tuple[str, ...]) -> tuple[LeftOut, ...]:
    """Everything that is left out of a tree, the largest first within each reason."""
    if not isinstance(tree, FolderTree) or tree.follow_links:
        return tree.left_out
    folder = tree.folder
    answer = (question := Question(folder)).answer(None)
    if answer is None:
        names: Iterable[str] = walk(folder, follow_links=False)
        ignored: list[str] = []
        histories = [".git"]
    else:
        question.head()
        prefixes = [row[0] for row in answer.said if row[1] is not None]
        names, ignored, histories = answer.names, ask_ignored(folder, prefixes), [f"{at}.git" for at in prefixes]
    own = [name for name in names if name != OUTPUT and not name.startswith(OUTPUT + "/")]
    excluded = set(own) - set(without(own, exclude))
    ignored = [name for name in ignored if name.rstrip("/") != OUTPUT and not name.startswith(OUTPUT + "/")]
    counted = (
        _count(folder, OUTPUT_OF_ITS_OWN, [OUTPUT]),
        _count(folder, IGNORED, ignored),
        _count(folder, EXCLUDED, excluded),
        _count(folder, GIT_ITSELF, histories),
    )
    reasons = {row.reason for row in counted}
    others = [row for row in tree.left_out if row.reason not in reasons]
    return (*(row for row in counted if row.files), *others)


def _count(folder: Path, reason: str, names: Iterable[str]) -> LeftOut:
    """Files and folders together. What cannot be looked at counts as nothing."""
    rows = sorted(((*_size(os.path.join(folder, name)), name) for name in names), reverse=True)
    rows = [row for row in rows if row[1]]
    files, size_bytes = sum(row[1] for row in rows), sum(row[0] for row in rows)
    return LeftOut(reason, tuple(row[2] for row in rows[:_NAMED]), files, size_bytes)


def _size(path: str) -> tuple[int, int]:
    """(bytes, files)."""
    try:
        if os.path.islink(path) or not os.path.isdir(path):
            return os.lstat(path).st_size, 1
        with os.scandir(path) as entries:
            below = [_size(entry.path) for entry in entries]
        return sum(size for size, _ in below), sum(files for _, files in below)
    except OSError:
        return 0, 0
