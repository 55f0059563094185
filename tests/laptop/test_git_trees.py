"""Working trees with submodules and git-lfs, and what `plan` says is left out of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jobctl.laptop.git_source import open_git_tree
from jobctl.laptop.survey import survey
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource, make_working_tree

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.fixture
def cache(tmp_path: Path) -> TreeCache:
    return TreeCache(tmp_path / "cache")


def git(folder: Path, *args: str) -> None:
    subprocess.run(["git", "-c", "protocol.file.allow=always", *args], cwd=folder, check=True, capture_output=True)


def make_repository(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


@pytest.fixture
def repository(weird_path: Path) -> Path:
    """With a submodule that has one of its own, and one that is not checked out."""
    inmost = make_repository(weird_path / "inmost", {"core.py": b"core"})
    inner = make_repository(weird_path / "inner", {"part.py": b"part", ".gitignore": b"*.tmp\n"})
    git(inner, "submodule", "add", "-q", str(inmost), "deep er")
    git(inner, "commit", "-q", "-m", "two")
    folder = make_repository(weird_path / "code", {"train.py": b"train", ".gitignore": b"data/\n"})
    git(folder, "submodule", "add", "-q", str(inner), "third party")
    git(folder, "submodule", "add", "-q", str(inmost), "never")
    git(folder, "commit", "-q", "-m", "two")
    git(folder, "submodule", "update", "-q", "--init", "--recursive")
    git(folder, "submodule", "deinit", "-q", "-f", "never")
    return folder


def paths(tree: TreeSource) -> set[str]:
    return {entry.path for entry in tree.manifest.entries}


SENT = {".gitignore", ".gitmodules", "train.py", "third party/.gitignore", "third party/.gitmodules"}
SENT |= {"third party/part.py", "third party/deep er/core.py"}


def test_submodules_come_with_their_own_submodules_and_one_that_is_not_checked_out_is_named(
    repository: Path, cache: TreeCache
) -> None:
    tree = make_working_tree(repository, (), cache)
    assert paths(tree) == SENT and tree.commit and not tree.commit.endswith("+")
    assert [str(row) for row in tree.left_out] == [
        "never: a submodule that is not checked out; git submodule update --init --recursive"
    ]
    again = make_working_tree(repository, (), cache)
    assert again.left_out == tree.left_out, "said each time, also where nothing has changed"
    git(repository, "submodule", "update", "-q", "--init")
    assert paths(make_working_tree(repository, (), cache)) == {*SENT, "never/core.py"}


def test_work_in_a_submodule_that_was_not_committed_is_sent_and_told(repository: Path, cache: TreeCache) -> None:
    clean = make_working_tree(repository, (), cache).commit
    (repository / "third party" / "deep er" / "core.py").write_bytes(b"changed")
    changed = make_working_tree(repository, (), cache)
    assert changed.is_new and changed.commit == f"{clean}+"
    assert make_working_tree(repository, (), cache).commit == f"{clean}+", "remembered"
    (repository / "third party" / "new.py").write_bytes(b"new")
    (repository / "third party" / "new.tmp").write_bytes(b"ignored there")
    tree = make_working_tree(repository, (), cache)
    assert paths(tree) == {*SENT, "third party/new.py"} and tree.commit == f"{clean}+"


def test_the_commit_is_asked_again_when_it_was_committed(repository: Path, cache: TreeCache) -> None:
    """Then no file has changed, and what git lists has: the index knows another content."""
    (repository / "train.py").write_bytes(b"changed")
    changed = make_working_tree(repository, (), cache)
    assert changed.commit and changed.commit.endswith("+")
    git(repository, "commit", "-q", "-a", "-m", "three")
    committed = make_working_tree(repository, (), cache)
    assert committed.commit and not committed.commit.endswith("+") and committed.manifest == changed.manifest
    git(repository, "reset", "-q", "--soft", "HEAD~1")
    assert make_working_tree(repository, (), cache).commit == changed.commit


def test_what_git_lfs_has_not_fetched_is_named(repository: Path, cache: TreeCache, tmp_path: Path) -> None:
    (repository / "weights.pdparams").write_bytes(POINTER)
    (repository / "about lfs.md").write_bytes(b"A pointer begins with:\n" + POINTER)
    for _ in range(2):
        assert make_working_tree(repository, (), cache).pointers == ("weights.pdparams",)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "three")
    for _ in range(2):
        assert open_git_tree(str(repository), "HEAD", (), tmp_path / "git").pointers == ("weights.pdparams",)
    (repository / "weights.pdparams").write_bytes(b"fetched" * 100)
    assert make_working_tree(repository, (), cache).pointers == ()


def test_what_is_left_out_is_counted_by_reason_with_the_largest_first(repository: Path, cache: TreeCache) -> None:
    for name, size in (("data/a.bin", 5000), ("data/sub/b.bin", 300), ("third party/x.tmp", 7000)):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(b"x" * size)
    for name in ("output/best/model.pdparams", "docs/a.md", "docs/b.md"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(b"xy")
    (repository / "other").mkdir()
    git(repository / "other", "init", "-q")
    tree = make_working_tree(repository, ("docs/**",), cache)
    found = {row.reason: row for row in survey(tree, ("docs/**",))}
    ignored = found["ignored by git"]
    assert (ignored.files, ignored.size_bytes, ignored.paths) == (3, 12300, ("third party/x.tmp", "data/"))
    assert (found["the run has its own"].files, found["the run has its own"].size_bytes) == (1, 2)
    excluded = found["excluded by `code.exclude`"]
    assert (excluded.files, excluded.size_bytes, set(excluded.paths)) == (2, 4, {"docs/a.md", "docs/b.md"})
    assert found["git's own history"].files
    assert found["a git repository of its own, no submodule"].paths == ("other",)
    assert any("not checked out" in reason for reason in found)


def test_a_tracked_file_that_became_a_folder_or_a_pipe_is_no_trouble(repository: Path, cache: TreeCache) -> None:
    (repository / "train.py").unlink()
    (repository / "train.py").mkdir()
    (repository / "train.py" / "main.py").write_bytes(b"main")
    tree = make_working_tree(repository, (), cache)
    assert "train.py/main.py" in paths(tree) and "train.py" not in paths(tree)
    (repository / "train.py" / "main.py").unlink()
    (repository / "train.py").rmdir()
    os.mkfifo(repository / "train.py")
    assert "train.py: not a regular file" in map(str, make_working_tree(repository, (), cache).left_out)
