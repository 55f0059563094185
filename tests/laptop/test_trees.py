"""What is sent of a folder or a commit: git's own rules, exact kinds, nothing twice, nothing in silence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jobctl.errors import CodeSourceError, InputError, TransferError
from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.git_source import open_git_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource, make_working_tree
from tests.conftest import WEIRD_NAME


@pytest.fixture
def cache(tmp_path: Path) -> TreeCache:
    return TreeCache(tmp_path / "cache" / "trees")


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(weird_path: Path) -> Path:
    """A repository with one commit, and work after it."""
    folder = weird_path / "repository"
    (folder / "sub").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text("*.log\n!kept.log\nbuild/\n")
    (folder / "train.py").write_text("committed\n")
    (folder / "gone.py").write_text("will be deleted\n")
    (folder / "sub" / WEIRD_NAME).write_text("weird\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("train.py")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    (folder / "train.py").write_text("changed, not committed\n")
    (folder / "new.py").write_text("untracked\n")
    (folder / "x.log").write_text("ignored\n")
    (folder / "kept.log").write_text("not ignored\n")
    (folder / "build").mkdir()
    (folder / "build" / "big.bin").write_bytes(b"ignored")
    (folder / "gone.py").unlink()
    return folder


def kinds(tree: TreeSource) -> dict[str, str]:
    return {entry.path: entry.kind for entry in tree.manifest.entries}


def read(tree: TreeSource, path: str) -> bytes:
    entries = [entry for entry in tree.manifest.entries if entry.path == path]
    return b"".join(piece for _, pieces in tree.contents(entries) for piece in pieces)


def test_a_working_tree_is_what_git_would_take_with_uncommitted_work(repository: Path, cache: TreeCache) -> None:
    tree = make_working_tree(repository, (), cache)
    assert kinds(tree) == {
        ".gitignore": "f",
        "kept.log": "f",
        "link": "l",
        "new.py": "f",
        "run.sh": "x",
        f"sub/{WEIRD_NAME}": "f",
        "train.py": "f",
    }
    assert read(tree, "train.py") == b"changed, not committed\n"
    assert tree.commit == git(repository, "rev-parse", "HEAD") + "+"


def test_a_commit_is_what_was_committed(repository: Path, tmp_path: Path) -> None:
    tree = open_git_tree(str(repository), "main", (), tmp_path / "cache")
    assert kinds(tree) == {
        ".gitignore": "f",
        "gone.py": "f",
        "link": "l",
        "run.sh": "x",
        f"sub/{WEIRD_NAME}": "f",
        "train.py": "f",
    }
    assert read(tree, "train.py") == b"committed\n"
    assert tree.commit == git(repository, "rev-parse", "HEAD")


def test_a_commit_behind_a_url_is_the_same_tree(repository: Path, tmp_path: Path) -> None:
    near = open_git_tree(str(repository), "main", (), tmp_path / "one")
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
    far = open_git_tree(f"file://{bare}", "main", (), tmp_path / "two")
    assert far.manifest == near.manifest
    assert read(far, "train.py") == b"committed\n"


def test_excluded_files_are_left_out_and_counted(repository: Path, tmp_path: Path) -> None:
    tree = open_git_tree(str(repository), "main", ("sub/**", "*.sh"), tmp_path / "cache")
    assert set(kinds(tree)) == {".gitignore", "gone.py", "link", "train.py"}
    assert [str(row) for row in tree.left_out] == ["2 files: excluded by `code.exclude`"]


def test_a_blob_that_the_repository_lacks_is_named_and_can_be_excluded(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:gone.py")
    path = repository / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o600)
    path.unlink()
    with pytest.raises(CodeSourceError, match="lacks a file") as caught:
        open_git_tree(str(repository), "main", (), tmp_path / "cache")
    assert caught.value.value == "gone.py"
    assert "exclude" in caught.value.hint
    assert "gone.py" not in kinds(open_git_tree(str(repository), "main", ("gone.py",), tmp_path / "cache"))


def test_submodules_are_sent_with_a_working_tree(repository: Path, tmp_path: Path, cache: TreeCache) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "part.py").write_text("part\n")
    git(inner, "add", "-A")
    git(inner, "commit", "-q", "-m", "one")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "third party")
    (repository / "third party" / "more.py").write_text("uncommitted\n")
    assert {"third party/part.py", "third party/more.py"} <= set(kinds(make_working_tree(repository, (), cache)))


def test_a_folder_that_the_repository_around_it_ignores_is_taken_whole(repository: Path, cache: TreeCache) -> None:
    assert set(kinds(make_working_tree(repository / "build", (), cache))) == {"big.bin"}


def test_a_folder_without_git_is_taken_whole_with_links_as_links(tmp_path: Path, cache: TreeCache) -> None:
    folder = tmp_path / "plain"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.py").write_text("a")
    (folder / "to sub").symlink_to("sub")
    (folder / "sub" / "b.py").write_text("b")
    os.mkfifo(folder / "pipe")
    tree = make_working_tree(folder, (), cache)
    assert kinds(tree) == {"a.py": "f", "sub/b.py": "f", "to sub": "l"}
    assert [str(row) for row in tree.left_out] == ["pipe: not a regular file"]


def test_data_is_read_through_links_and_a_loop_ends(tmp_path: Path, cache: TreeCache) -> None:
    elsewhere = tmp_path / "disk 2"
    elsewhere.mkdir()
    (elsewhere / "1.png").write_bytes(b"one")
    data = tmp_path / "data"
    data.mkdir()
    (data / "train").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(data)
    assert kinds(make_data_tree(data, cache)) == {"train/1.png": "f"}


@pytest.mark.parametrize("ref", ["no-such-ref", "-x", "main^{tree}x"])
def test_a_ref_that_is_missing_is_the_users_error(ref: str, repository: Path, tmp_path: Path) -> None:
    with pytest.raises(CodeSourceError, match="no such ref"):
        open_git_tree(str(repository), ref, (), tmp_path / "cache")


def test_an_empty_or_missing_data_folder_is_the_users_error(tmp_path: Path, cache: TreeCache) -> None:
    (tmp_path / "empty").mkdir()
    for name, says in (("empty", "empty"), ("missing", "no such data folder")):
        with pytest.raises(InputError, match=says):
            make_data_tree(tmp_path / name, cache)


def test_a_file_that_shrinks_or_goes_while_it_is_sent_is_told(repository: Path, cache: TreeCache) -> None:
    tree = make_working_tree(repository, (), cache)
    (repository / "new.py").write_text("short")
    with pytest.raises(TransferError, match="shorter"):
        read(tree, "new.py")
    (repository / "new.py").unlink()
    with pytest.raises(TransferError, match="cannot read"):
        read(tree, "new.py")


def test_an_unchanged_tree_has_the_same_digest_and_a_changed_bit_another(repository: Path, cache: TreeCache) -> None:
    first = make_working_tree(repository, (), cache).manifest.digest
    assert make_working_tree(repository, (), cache).manifest.digest == first
    (repository / "train.py").chmod(0o755)
    assert make_working_tree(repository, (), cache).manifest.digest != first


def test_reading_a_working_tree_does_not_touch_the_repository(repository: Path, cache: TreeCache) -> None:
    os.utime(repository / "link", follow_symlinks=False)
    (repository / "run.sh").touch()  # as an editor does: `git status` would refresh its index
    before = (repository / ".git" / "index").read_bytes()
    make_working_tree(repository, (), cache)
    assert (repository / ".git" / "index").read_bytes() == before


def test_a_repository_that_git_refuses_is_not_sent_whole(repository: Path, cache: TreeCache) -> None:
    (repository / ".git" / "HEAD").write_text("broken\n")
    with pytest.raises(CodeSourceError, match="git does not say"):
        make_working_tree(repository, (), cache)


def test_a_folder_that_is_there_under_two_names_is_sent_under_both(tmp_path: Path, cache: TreeCache) -> None:
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    (data / "train" / "1.png").write_bytes(b"one")
    (data / "val").symlink_to("train")
    assert kinds(make_data_tree(data, cache)) == {"train/1.png": "f", "val/1.png": "f"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, cache: TreeCache) -> None:
    data = tmp_path / "data"
    (data / "locked").mkdir(parents=True)
    (data / "1.png").write_bytes(b"one")
    (data / "locked").chmod(0)
    with pytest.raises(InputError, match="cannot read a folder"):
        make_data_tree(data, cache)


def test_a_short_hash_of_a_commit_behind_a_url_is_found(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    assert open_git_tree(f"file://{repository}", commit[:10], (), tmp_path / "cache").commit == commit


def test_results_of_earlier_trainings_here_are_left_out_and_said(weird_path: Path, cache: TreeCache) -> None:
    code = weird_path / "code"
    for name in ("output/best_model/model.pdparams", "tools/output/kept.py", "outputs.py"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("x")
    tree = make_working_tree(code, [], cache)
    assert [entry.path for entry in tree.manifest.entries] == ["outputs.py", "tools/output/kept.py"]
    assert [str(row) for row in tree.left_out] == ["output/: the run has its own"]
