"""After a restart of the host: the user's real crontab, its real line; only the boot's id is made up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.host import boot_entry, control
from tests.host.runs import (
    Json,
    kill_with_keeper,
    make_job,
    pretend_another_boot,
    python_stage,
    read_lines,
    stage_run,
    wait_for,
    wait_for_end,
)

WAIT_FOR_STOP = "import os, time\nwhile not os.path.exists('../stop'): time.sleep(0.05)"
OTHERS = "# mine\nMAILTO=\"\"\n0 4 * * 1 echo '50\\% done' # jobctl on_boot of somebody else\n"


def crontab() -> str:
    done = subprocess.run(["crontab", "-l"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def lines_for(root: Path) -> list[str]:
    return [line for line in crontab().splitlines() if line == boot_entry.entry(root)]


@pytest.fixture
def root(weird_path: Path) -> Iterator[Path]:
    """A work_dir, with any name that a crontab can have. What the tests put into the crontab is taken out again."""
    folder = weird_path.with_name(weird_path.name.replace("\n", " 100% "))
    folder.mkdir()
    yield folder
    boot_entry.remove(folder)


def start(root: Path, run_id: str, **fields: Any) -> Path:
    run_dir = stage_run(root, make_job(run_id, [python_stage("s", WAIT_FOR_STOP)], **fields))
    control.start(root, run_id)
    wait_for(lambda: control.status(run_dir), lambda status: status["stages"][0]["state"] == "RUNNING")
    return run_dir


def lose(run_dir: Path) -> None:
    kill_with_keeper(run_dir)
    wait_for(lambda: control.status(run_dir), lambda status: status["state"] == "LOST")


def as_cron_does(line: str) -> subprocess.Popen[bytes]:
    """The line's command under sh, with the little environment that cron gives."""
    command = line.partition(" ")[2].replace("\\%", "%")
    return subprocess.Popen(["/bin/sh", "-c", command], env={"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"})


def is_running(status: Json) -> bool:
    return bool(status["state"] == "RUNNING" and status["stages"][0]["state"] == "RUNNING")


def test_a_run_that_a_restart_ended_goes_on_by_the_line_in_the_crontab(root: Path) -> None:
    run_dir = start(root, "boot-1", on_boot="resume")
    [line] = lines_for(root)
    lose(run_dir)
    pretend_another_boot(run_dir)
    both = [as_cron_does(line), as_cron_does(line)]  # twice at once is once
    for process in both:
        process.wait()
    found = wait_for(lambda: control.status(run_dir), is_running)
    assert found["resumes"] == 1
    assert len(lines_for(root)) == 1
    (run_dir / "stop").touch()
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"
    wait_for(lambda: {"lines": lines_for(root)}, lambda answer: not answer["lines"])
    events = [event["event"] for event in read_lines(run_dir / "events.jsonl")]
    assert events.count("supervisor_started") == 2


def test_what_the_user_ended_or_what_died_before_the_restart_stays_as_it_is(root: Path) -> None:
    cancelled = start(root, "boot-2", on_boot="resume")
    control.cancel(root, "boot-2", grace_s=1)
    plain = start(root, "boot-3")
    same_boot = start(root, "boot-4", on_boot="resume")
    for run_dir in (plain, same_boot):
        lose(run_dir)
    for run_dir in (cancelled, plain):
        pretend_another_boot(run_dir)
    [line] = lines_for(root)
    assert as_cron_does(line).wait() == 0
    states = [control.status(run_dir)["state"] for run_dir in (cancelled, plain, same_boot)]
    assert states == ["CANCELLED", "LOST", "LOST"]


def test_a_run_that_the_shutdown_asked_to_end_goes_on_after_it(root: Path) -> None:
    run_dir = start(root, "boot-5", on_boot="resume")
    os.kill(control.status(run_dir)["supervisor"]["pid"], 15)
    wait_for_end(run_dir)
    pretend_another_boot(run_dir)
    [line] = lines_for(root)
    as_cron_does(line).wait()
    wait_for(lambda: control.status(run_dir), is_running)
    (run_dir / "stop").touch()
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"


def test_a_host_without_crontab_is_told_with_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(root))
    run_dir = start(root, "boot-6", on_boot="resume")
    [warning] = control.status(run_dir)["warnings"]
    monkeypatch.setenv("PATH", path)
    assert warning["kind"] == "boot"
    assert warning["text"] == (
        "on_boot: resume cannot be had on this host: it has no crontab. After a restart: jobctl resume"
    )
    (run_dir / "stop").touch()
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"


CRONTABS = {"empty": "", "others": OTHERS, "no line break at its end": "0 1 * * * true"}


@pytest.mark.parametrize("name", CRONTABS)
def test_the_lines_of_others_stay_and_ours_stands_once(name: str) -> None:
    root, other = Path("/home/al ice/100%'$(x)"), Path("/home/bob")
    text = CRONTABS[name]
    whole = boot_entry.with_entry(boot_entry.with_entry(boot_entry.with_entry(text, other), root), root)
    assert whole.startswith(text)
    assert whole.count("@reboot ") == 2
    assert "100\\%" in whole
    assert boot_entry.without_entry(boot_entry.without_entry(whole, root), other).rstrip() == text.rstrip()


def test_a_folder_that_no_crontab_can_name_is_told(weird_path: Path) -> None:
    problem = boot_entry.ensure(weird_path)
    assert problem is not None
    assert "a crontab cannot name a folder with a line break" in problem


def test_a_line_of_an_older_host_program_is_replaced() -> None:
    root = Path("/home/bob")
    old = boot_entry.entry(root).replace("@reboot ", "@reboot /old/python ")
    assert boot_entry.with_entry(OTHERS + old + "\n", root) == OTHERS + boot_entry.entry(root) + "\n"
