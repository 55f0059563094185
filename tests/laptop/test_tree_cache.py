"""What is remembered of a folder: enough to confirm it without reading, never so much that a change is missed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from jobctl.laptop.data_source import make_data_tree
from jobctl.laptop.tree_cache import TreeCache
from jobctl.laptop.tree_source import TreeSource


def hash_of(tree: TreeSource, path: str) -> str:
    return next(entry.content for entry in tree.manifest.entries if entry.path == path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wait_until_settled(*paths: Path) -> None:
    """A time of change cannot be set; so it has to pass."""
    while any(time.time() - path.stat().st_ctime < 2.1 for path in paths):
        time.sleep(0.05)


def test_a_changed_file_has_its_new_hash_even_when_its_times_were_set_back(tmp_path: Path) -> None:
    cache, folder = TreeCache(tmp_path / "cache"), tmp_path / "data"
    folder.mkdir()
    path = folder / "a"
    path.write_bytes(b"one")
    before = path.stat()
    wait_until_settled(path, folder)
    assert hash_of(make_data_tree(folder, cache), "a") == sha256(b"one")
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hash_of(make_data_tree(folder, cache), "a") == sha256(b"two")


def test_a_file_that_changes_within_the_tick_in_which_it_was_read_is_read_again(tmp_path: Path) -> None:
    """git's racy problem: nothing about the file tells that it changed, but that it was so young when it was read."""
    cache, folder = TreeCache(tmp_path / "cache"), tmp_path / "data"
    folder.mkdir()
    for content in (b"one", b"two", b"333"):
        (folder / "a").write_bytes(content)
        assert hash_of(make_data_tree(folder, cache), "a") == sha256(content)


def test_an_unchanged_folder_is_confirmed_without_reading_a_file(tmp_path: Path) -> None:
    cache, folder = TreeCache(tmp_path / "cache"), tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    path = folder / "sub" / "a"
    path.write_bytes(b"one")
    wait_until_settled(path, folder, folder / "sub")
    assert make_data_tree(folder, cache).is_new
    (kept,) = (tmp_path / "cache").iterdir()
    other = kept.read_bytes()[64:].replace(sha256(b"one").encode(), sha256(b"remembered").encode())
    kept.write_bytes(sha256(other).encode() + other)
    for cache in (TreeCache(tmp_path / "cache"), TreeCache(tmp_path / "cache", read_only=True)):
        tree = make_data_tree(folder, cache)
        assert hash_of(tree, "sub/a") == sha256(b"remembered") and not tree.is_new


def test_names_that_come_and_go_are_noticed_and_the_rest_is_kept(tmp_path: Path) -> None:
    cache, folder = TreeCache(tmp_path / "cache"), tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "e", "f", "g", "sub/b", "sub/c"):
        (folder / name).write_text(name)
    wait_until_settled(folder, folder / "sub", folder / "a", folder / "sub" / "b")
    first = make_data_tree(folder, cache)
    (folder / "sub" / "b").unlink()
    (folder / "sub" / "d").write_text("new")
    second = make_data_tree(folder, cache)
    assert [entry.path for entry in second.manifest.entries] == ["a", "e", "f", "g", "sub/c", "sub/d"]
    assert second.base and second.base.digest == first.manifest.digest
    assert (len(second.base.delta.drop), len(second.base.delta.add)) == (1, 1)


def test_a_memory_that_is_broken_or_cut_is_no_memory(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_bytes(b"one")
    wait_until_settled(folder, folder / "a")
    make_data_tree(folder, TreeCache(tmp_path / "cache"))
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    for broken in (
        b"",
        b"no memory at all" * 100,
        whole[:-1],
        whole[:100],
        whole.replace(sha256(b"one").encode(), b"0" * 64),
    ):
        kept.write_bytes(broken)
        tree = make_data_tree(folder, TreeCache(tmp_path / "cache"))
        assert tree.is_new and hash_of(tree, "a") == sha256(b"one")


def test_read_only_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_bytes(b"one")
    assert make_data_tree(folder, TreeCache(tmp_path / "none" / "cache", read_only=True)).manifest.data
    assert not (tmp_path / "none").exists()


def test_a_memory_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_bytes(b"one")
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert make_data_tree(folder, TreeCache(tmp_path / "cache")).manifest.data
