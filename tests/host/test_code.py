"""The code of a run, cloned on the host: which commit, what is in the tree, and what is said when it cannot be had."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jobctl.host import control, git_words
from tests.host.runs import Json, make_job, stage_run, wait_for_end

CODE: Json = {"name": "code", "steps": [{"argv": ["@host", "code"]}]}
LOOK: Json = {"name": "look", "steps": [{"argv": ["cat", "train.py"]}]}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(weird_path: Path) -> Path:
    folder = weird_path / "their code"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "tools").mkdir()
    (folder / "tools" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "tools" / "run.sh").chmod(0o755)
    (folder / "a link").symlink_to("train.py")
    commit(folder, "train.py", "first\n")
    return folder


def run_code(root: Path, run_id: str, source: Json, *stages: Json) -> Json:
    """A run whose first stage clones: there is no code folder before it."""
    job = make_job(run_id, list(stages) or [CODE], code=source)
    stage_run(root, job)
    (root / "staging" / run_id / "code").rmdir()
    return run_staged(root, job)


def run_staged(root: Path, job: Json) -> Json:
    control.start(root, job["run_id"])
    return wait_for_end(root / "runs" / job["run_id"])


@pytest.mark.parametrize("how", ["path", "file address", "through a server"])
def test_the_commit_asked_for_is_what_the_stages_see(weird_path: Path, repository: Path, how: str) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, "train.py", "second\n")
    url = {"path": str(repository), "file address": f"file://{repository}", "through a server": served(repository)}[how]
    status = run_code(weird_path, "code-1", {"git": url, "commit": first, "ref": None}, CODE, LOOK)
    assert status["state"] == "SUCCEEDED", status
    run_dir = weird_path / "runs" / "code-1"
    assert (run_dir / "logs" / "look.log").read_text() == "+ cat train.py\nfirst\n"
    assert (run_dir / "code" / "tools" / "run.sh").stat().st_mode & 0o111
    assert (run_dir / "code" / "a link").is_symlink()
    assert (run_dir / "code" / "output").resolve() == (run_dir / "output").resolve()
    assert not (run_dir / "code" / ".git").exists()
    assert (weird_path / "git").exists() == (how == "through a server")


def served(repository: Path) -> str:
    """An address that we do not take for a folder of this machine: it is fetched into the mirror."""
    return f"file://localhost{repository}"


def test_the_step_after_the_clone_finds_the_links(tmp_path: Path, repository: Path) -> None:
    steps = [*CODE["steps"], {"argv": ["cp", "train.py", "output/done"]}]
    stage = {"name": "both", "steps": steps, "must_leave": ["output/done"]}
    assert run_code(tmp_path, "links-1", {"git": str(repository), "ref": "main"}, stage)["state"] == "SUCCEEDED"


def test_without_a_commit_the_branch_is_taken(tmp_path: Path, repository: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "npu_cann8.0")
    commit(repository, "train.py", "on the branch\n")
    git(repository, "checkout", "--quiet", "main")
    status = run_code(tmp_path, "ref-1", {"git": str(repository), "commit": None, "ref": "npu_cann8.0"}, CODE, LOOK)
    assert status["state"] == "SUCCEEDED", status
    assert (tmp_path / "runs" / "ref-1" / "code" / "train.py").read_text() == "on the branch\n"


def test_submodules_come_along(tmp_path: Path, repository: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    commit(inner, "ops.py", "inner\n")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "deep/ops")
    pinned = commit(repository, "more.py", "x")
    commit(inner, "ops.py", "later\n")
    status = run_code(tmp_path, "sub-1", {"git": str(repository), "commit": pinned, "ref": None})
    assert status["state"] == "SUCCEEDED", status
    assert (tmp_path / "runs" / "sub-1" / "code" / "deep" / "ops" / "ops.py").read_text() == "inner\n"


FAILURES: dict[str, tuple[str, Json, str]] = {
    "no such commit": ("", {"commit": "a" * 40}, "a" * 40 + " is not in "),
    "no such branch": ("", {"commit": None, "ref": "nosuch"}, "nosuch is not in "),
    "no repository": ("/nowhere", {"commit": None, "ref": "main"}, "(there is no repository)"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_code_that_cannot_be_had_is_told_in_one_line_and_nothing_half_is_left(
    tmp_path: Path, repository: Path, name: str
) -> None:
    below, source, wanted = FAILURES[name]
    status = run_code(tmp_path, "bad-1", {"git": f"{repository}{below}", "ref": None, **source})
    assert status["state"] == "FAILED"
    assert wanted in status["reason"]
    assert status["reason"].startswith("code: ")
    assert not (tmp_path / "runs" / "bad-1" / "code").exists()


def test_a_copy_that_lacks_a_picture_is_used_with_a_warning(tmp_path: Path, repository: Path) -> None:
    head = commit(repository, "demo.gif", "a picture nobody needs\n")
    blob = git(repository, "rev-parse", "HEAD:demo.gif")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    status = run_code(tmp_path, "hole-1", {"git": str(repository), "commit": head, "ref": None}, CODE, LOOK)
    assert status["state"] == "SUCCEEDED", status
    log = (tmp_path / "runs" / "hole-1" / "logs" / "code.log").read_text()
    assert "warning: the repository is not whole" in log
    assert "demo.gif" in log


def test_code_that_is_there_already_is_left_as_it_is(tmp_path: Path, repository: Path) -> None:
    job = make_job("there-1", [CODE], code={"git": str(repository), "commit": None, "ref": "main"})
    stage_run(tmp_path, job)
    (tmp_path / "staging" / "there-1" / "code" / "mine.py").write_text("mine")
    assert run_staged(tmp_path, job)["state"] == "SUCCEEDED"
    assert (tmp_path / "runs" / "there-1" / "code" / "mine.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("parent", "url", "wanted"),
    [
        ("https://example.com/a/b.git", "../c.git", "https://example.com/a/c.git"),
        ("git@example.com:a/b.git", "../c.git", "git@example.com:a/c.git"),
        ("/srv/a/b", "./c", "/srv/a/b/c"),
        ("https://example.com/a/b", "https://other.org/x", "https://other.org/x"),
    ],
)
def test_a_submodules_address_counts_from_its_parents(parent: str, url: str, wanted: str) -> None:
    assert git_words.submodule_url(parent, url) == wanted


GIT: dict[str, tuple[str, str]] = {
    "no network": ("fatal: unable to access 'x': Could not resolve host: github.com", "with `fetch: laptop`"),
    "a login": ("fatal: could not read Username for 'https://x': terminal prompts disabled", "wants a login"),
    "something else": ("fatal: the moon", "the code could not be had from URL: fatal: the moon"),
}


@pytest.mark.parametrize("name", GIT)
def test_what_git_says_is_told_with_what_it_means(name: str) -> None:
    output, wanted = GIT[name]
    assert wanted in git_words.explain_git(output, "URL")
