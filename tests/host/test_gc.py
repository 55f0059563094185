"""Clearing up on a host: what nobody needs goes, what a run or an unpulled result needs stays."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import control, tidy
from jobctl.host.locks import is_held
from jobctl.host.objects import SETTLED
from jobctl.host.ops import make_ops
from jobctl.host.server import OpError, Request
from jobctl.host.trees import Trees
from tests.host.runs import Json, make_job, python_stage, run_job, stage_run, wait_for

DAY_S = 86400.0


class Answers:
    """The server's side of a request: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self.told.append(header)


def ask(root: Path, op: str, **params: Any) -> Json:
    """The last reply of a request, with the rows of all."""
    answers = Answers()
    last = make_ops(root, Trees(root))[op](Request(answers, {"id": 1, **params}, b""))  # type: ignore[arg-type]
    assert last is not None
    rows = [row for header in answers.told for row in header.get("rows", [])]
    return {**last, "rows": [*rows, *last.get("rows", [])]}


def gc(root: Path, days_later: float = 40, **params: Any) -> dict[str, Json]:
    """What gc says on a later day, by name; what stays and what goes of a kind apart."""
    params = {"older_than_s": 30 * DAY_S, **params}
    answers = Answers()
    request = Request(answers, {"id": 1, **params}, b"")  # type: ignore[arg-type]
    last = tidy.gc(request, root, lambda: time.time() + days_later * DAY_S)
    rows = [row for header in answers.told for row in header["rows"]] + last["rows"]
    return {("" if row["remove"] else "keep ") + row["name"]: row for row in rows}


def pull(root: Path, run_id: str) -> None:
    """As a laptop does it, at the end."""
    over = ask(root, "artifacts", run_id=run_id)["over"]
    assert ask(root, "pulled", run_id=run_id, over=over, by="laptop")["noted"]


def finished_run(root: Path, run_id: str = "done", **fields: Any) -> Path:
    run_job(root, make_job(run_id, [python_stage("s", "open('out', 'w').write('x' * 5000)")], **fields))
    lock = root / "runs" / run_id / "supervisor.lock"
    wait_for(lambda: {"held": is_held(lock)}, lambda answer: not answer["held"])  # its supervisor has gone
    return root / "runs" / run_id


def add_tree(root: Path, files: dict[str, bytes]) -> str:
    """A tree that is complete on the host, as a submit leaves it."""
    rows = []
    for name, content in files.items():
        sha256 = hashlib.sha256(content).hexdigest()
        path = root / "objects" / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (SETTLED, SETTLED))
        rows.append([name, "f", len(content), sha256])
    manifest = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    digest = hashlib.sha256(manifest).hexdigest()
    (root / "trees").mkdir(exist_ok=True)
    (root / "trees" / f"{digest}.json").write_bytes(manifest)
    return digest


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".transfer.lock")


def test_a_run_that_was_pulled_goes_when_it_is_old(weird_path: Path) -> None:
    finished_run(weird_path)
    pull(weird_path, "done")
    before = files_below(weird_path)
    assert gc(weird_path)["runs/done"]["why"] == "SUCCEEDED, pulled"
    assert files_below(weird_path) == before, "to look changes nothing"
    assert "keep runs/done" in gc(weird_path, days_later=29, delete=True)
    assert gc(weird_path, delete=True)["runs/done"]["error"] is None
    assert list((weird_path / "runs").glob("*")) == [weird_path / "runs" / ".lock"]


def test_a_run_that_was_not_pulled_stays_unless_one_says_so(weird_path: Path) -> None:
    run_dir = finished_run(weird_path)
    assert "jobctl pull done" in gc(weird_path, delete=True)["keep runs/done"]["why"]
    assert run_dir.is_dir()
    assert "runs/done" in gc(weird_path, delete=True, unpulled=True)
    assert not run_dir.exists()


def test_what_was_pulled_before_the_end_does_not_count(weird_path: Path) -> None:
    stop = weird_path / "stop"
    script = f"import os, time\nwhile not os.path.exists({str(stop)!r}): time.sleep(0.01)"
    run_dir = stage_run(weird_path, make_job("going", [python_stage("s", script)]))
    control.start(weird_path, "going")
    assert ask(weird_path, "artifacts", run_id="going")["over"] is None
    found = gc(weird_path, delete=True, unpulled=True)["keep runs/going"]
    assert found["why"] in ("it is QUEUED", "it is RUNNING")
    stop.touch()
    wait_for(lambda: control.status(run_dir), lambda status: status["state"] == "SUCCEEDED")
    assert not ask(weird_path, "pulled", run_id="going", over=["SUCCEEDED", 1.0], by="laptop")["noted"]
    assert "keep runs/going" in gc(weird_path, delete=True)
    assert run_dir.is_dir()


def make_lost(root: Path) -> Path:
    run_dir = finished_run(root, "lost")
    status = json.loads((run_dir / "status.json").read_text())
    (run_dir / "status.json").write_text(json.dumps({**status, "state": "RUNNING", "ended_at": None}))
    assert control.status(run_dir)["state"] == "LOST"
    return run_dir


def test_a_lost_run_stays_while_it_can_be_resumed_and_goes_when_it_is_old(weird_path: Path) -> None:
    run_dir = make_lost(weird_path)
    pull(weird_path, "lost")
    assert "can be resumed" in gc(weird_path, days_later=10, delete=True)["keep runs/lost"]["why"]
    assert "runs/lost" in gc(weird_path, delete=True)
    assert not run_dir.exists()


def test_a_run_that_is_taken_up_again_at_that_moment_stays(weird_path: Path) -> None:
    run_dir = make_lost(weird_path)
    pull(weird_path, "lost")
    with open(run_dir / "supervisor.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "keep runs/lost" in gc(weird_path, delete=True)
    assert run_dir.is_dir()


def test_a_damaged_run_and_a_link_are_left_alone(weird_path: Path) -> None:
    elsewhere = weird_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "job.json").write_text("{}")
    root = weird_path / "work"
    (root / "runs" / "damaged").mkdir(parents=True)
    (root / "runs" / "link").symlink_to(elsewhere)
    (root / "trees").symlink_to(elsewhere)
    (root / "datasets" / "a").mkdir(parents=True)
    (root / "datasets" / "a" / ("d" * 64)).symlink_to(elsewhere)
    before = files_below(weird_path)
    found = gc(root, delete=True, unpulled=True, datasets=True)
    assert "damaged" in found["keep runs/damaged"]["why"]
    assert "link" in found["keep runs/link"]["why"]
    assert (elsewhere / "job.json").exists()
    assert files_below(weird_path) == before


def test_objects_go_when_neither_a_run_nor_a_tree_has_them(weird_path: Path) -> None:
    tree = add_tree(weird_path, {"a": b"a" * 9000, "b": b"b" * 9000})
    shared = weird_path / "objects" / hashlib.sha256(b"a" * 9000).hexdigest()[:2]
    os.link(next(shared.iterdir()), weird_path / "a run has it")
    assert "keep objects" in gc(weird_path, days_later=29)
    found = gc(weird_path)
    assert (found["trees"]["count"], found["objects"]["count"], found["keep objects"]["count"]) == (1, 1, 1)
    gc(weird_path, delete=True)
    assert list((weird_path / "objects").rglob("?" * 64)) == list(shared.iterdir())
    assert ask(weird_path, "tree_offer", digest=tree)["known"] is False


def test_a_tree_that_a_submit_has_just_named_stays_with_its_objects(weird_path: Path) -> None:
    tree = add_tree(weird_path, {"a": b"a" * 9000})
    old = time.time() - 100 * DAY_S
    os.utime(weird_path / "trees" / f"{tree}.json", (old, old))
    assert ask(weird_path, "tree_offer", digest=tree)["known"]
    gc(weird_path, days_later=29, delete=True)
    assert ask(weird_path, "tree_offer", digest=tree)["known"]
    gc(weird_path, days_later=0, older_than_s=0, delete=True)
    assert ask(weird_path, "tree_offer", digest=tree)["known"], "nothing that is shared goes within a day"


def test_nothing_shared_goes_while_files_arrive(weird_path: Path) -> None:
    tree = add_tree(weird_path, {"a": b"a" * 9000})
    with open(weird_path / ".transfer.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert "sends files" in gc(weird_path, delete=True)["keep trees"]["why"]
    assert ask(weird_path, "tree_offer", digest=tree)["known"]


def test_a_dataset_goes_only_when_no_run_needs_it_and_one_says_so(weird_path: Path) -> None:
    tree = add_tree(weird_path, {"a.png": b"picture"})
    folder = Trees(weird_path).dataset("city", tree)
    name = f"datasets/city/{tree}"
    run_dir = finished_run(weird_path, data=[{"name": "city", "link": "data/city", "target": str(folder)}])
    assert gc(weird_path, delete=True, datasets=True)[f"keep {name}"]["why"] == "run done needs it"
    pull(weird_path, "done")
    assert name in gc(weird_path, datasets=True), "the run would go, and then nobody needs it"
    assert "--datasets" in gc(weird_path, delete=True)[f"keep {name}"]["why"]
    assert folder.is_dir() and not run_dir.exists()
    assert name in gc(weird_path, delete=True, datasets=True)
    assert not folder.exists()


def test_while_a_run_that_may_go_on_does_not_tell_what_it_needs_all_that_runs_share_stays(weird_path: Path) -> None:
    tree = add_tree(weird_path, {"a.png": b"picture"})
    folder = Trees(weird_path).dataset("city", tree)
    failing = [python_stage("s", "raise SystemExit(1)")]
    run_job(weird_path, make_job("failed", failing, data=[{"name": "city", "link": "in", "target": str(folder)}]))
    (weird_path / "runs" / "failed" / "job.json").write_text("[" * 100_000)
    rows = gc(weird_path, days_later=20, delete=True, datasets=True, older_than_s=25 * DAY_S)
    assert "what run failed needs is not known" in rows["keep what runs share"]["why"]
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["runs", "staging"])
def test_runs_behind_a_link_are_not_touched(weird_path: Path, tmp_path: Path, name: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    run_dir = finished_run(weird_path)
    pull(weird_path, "done")
    (work / name).symlink_to(weird_path / name)
    with pytest.raises(OpError, match="is a link"):
        gc(work, delete=True)
    assert run_dir.is_dir()


def make_environment(root: Path, name: str, **marks: str) -> Path:
    folder = root / "environments" / name
    folder.mkdir(parents=True)
    (folder / "jobctl-environment.json").write_text(json.dumps({"used_at": time.time(), **marks}))
    return folder


def test_an_environment_stays_while_a_run_that_can_go_on_needs_it(weird_path: Path) -> None:
    needed, unused, built = (make_environment(weird_path, name) for name in ("needed", "unused", "being built"))
    run_dir = make_lost(weird_path)
    (run_dir / "environment.json").write_text(json.dumps({"path": str(needed)}))
    with open(weird_path / "environments" / "being built.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = gc(weird_path, delete=True)
    assert found["keep environments/needed"]["why"] == "run lost needs it"
    assert "at it" in found["keep environments/being built"]["why"]
    assert [needed.is_dir(), unused.is_dir(), built.is_dir()] == [True, False, True]


def test_an_environment_stays_while_a_lock_of_the_laptop_that_asks_holds_its_packages(tmp_path: Path) -> None:
    held, left = (make_environment(tmp_path, name, packages=name * 32) for name in ("ab", "cd"))
    found = gc(tmp_path, delete=True, packages=["ab" * 32])
    assert found["keep environments/ab"]["why"] == "a lock holds its packages"
    assert [held.is_dir(), left.is_dir()] == [True, False]


LEFT = [
    "objects/ab/.incoming-x1",
    "datasets/city/.abc.123/a.png",
    "datasets/.downloads/weights.7.part.zip",
    "host/jobctl-host-1.pyz.7.tmp",
    "trees/.a.json.7.1.part",
    "runs/.gone-old-7/output/model",
    "environments/.gone-x-7/bin/python",
    "staging/cut-off/job.json",
]


@pytest.mark.parametrize("name", LEFT)
def test_what_was_cut_goes_after_a_day(weird_path: Path, name: str) -> None:
    path = weird_path / name
    path.parent.mkdir(parents=True)
    path.write_text("half")
    gc(weird_path, days_later=0.5, delete=True)
    assert path.exists()
    gc(weird_path, days_later=1.5, delete=True)
    assert not path.exists()


def test_a_run_that_is_being_put_together_stays(weird_path: Path) -> None:
    (weird_path / "staging" / "new").mkdir(parents=True)
    with open(weird_path / "staging" / "new.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "putting run new together" in gc(weird_path, delete=True)["keep staging/new"]["why"]
    assert (weird_path / "staging" / "new").is_dir()


def test_caches_mirrors_and_older_programs_go_when_nothing_runs(weird_path: Path) -> None:
    names = ["datasets/.downloads/a.zip", "datasets/.labels/x", "git/0123/HEAD", "host/jobctl-host-1.pyz"]
    for name in [*names, "host/jobctl-host-2.pyz"]:
        (weird_path / name).parent.mkdir(parents=True, exist_ok=True)
        (weird_path / name).write_text("x")
    old = time.time() + 1  # the newest by its time of change
    os.utime(weird_path / "host" / "jobctl-host-2.pyz", (old, old))
    run_dir = stage_run(
        weird_path, make_job("going", [python_stage("s", "import time; time.sleep(600)")], code={"git": "x"})
    )
    control.start(weird_path, "going")
    gc(weird_path, delete=True)
    assert all((weird_path / name).exists() for name in names), "a run lives, and may use them"
    control.cancel(weird_path, "going")
    wait_for(lambda: control.status(run_dir), lambda status: status["state"] == "CANCELLED")
    gc(weird_path, delete=True)
    assert [name for name in names if (weird_path / name).exists()] == []
    assert (weird_path / "host" / "jobctl-host-2.pyz").exists()


def test_read_only_folders_go_too(weird_path: Path) -> None:
    run_dir = finished_run(weird_path)
    folder = run_dir / "output" / "closed"
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    folder.chmod(0o500)
    found = gc(weird_path, delete=True, unpulled=True)
    assert found["runs/done"]["error"] is None
    assert not list((weird_path / "runs").glob("*done*"))
