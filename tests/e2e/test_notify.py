"""`notify` in a config, and JOBCTL_WEBHOOK: from submit and resume to the message, without the address anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.lab import Lab, python
from tests.hook import SECRET, Hook, serving
from tests.host.runs import read_lines, wait_for


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving() as hook:
        yield hook


def write(lab: Lab, notify: dict[str, Any] | None, *steps: list[str]) -> None:
    lab.write_config(*steps)
    path = lab.laptop / "config.yaml"
    config = yaml.safe_load(path.read_text()) | ({"notify": notify} if notify else {})
    path.write_text(yaml.safe_dump(config))


def heard(lab: Lab, run_id: str, times: int) -> list[dict[str, Any]]:
    """The lines about it in the run's events, once there are so many."""
    events = lab.work_dir / "runs" / run_id / "events.jsonl"
    found: dict[str, Any] = wait_for(
        lambda: {"lines": [line for line in read_lines(events) if line["event"] == "notified"]},
        lambda one: len(one["lines"]) == times,
    )
    return list(found["lines"])


def assert_nowhere(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes(), path


def test_the_host_tells_the_address_that_a_variable_holds_and_it_stands_nowhere(lab: Lab, hook: Hook) -> None:
    lab.env["MY_HOOK"] = hook.url
    write(lab, {"webhook_env": "MY_HOOK"}, python("import sys; sys.exit(3)"))
    run_id = lab.submit()
    assert lab.wait(run_id)["state"] == "FAILED"
    (line,) = heard(lab, run_id, 1)
    assert hook.url.startswith(line["to"]) and SECRET not in json.dumps(line)
    (message,) = hook.heard
    assert (message["run_id"], message["host"], message["state"]) == (run_id, "box", "FAILED")
    assert message["verdict"]["kind"] and "exit code 3" in message["text"]
    lab.run("pull", run_id)
    lab.run("report", run_id)
    assert_nowhere(lab.laptop)
    assert_nowhere(lab.work_dir)

    lab.run("resume", run_id)  # the config is read again
    assert lab.wait(run_id)["state"] == "FAILED"
    heard(lab, run_id, 2)
    assert [one["run_id"] for one in hook.heard] == [run_id, run_id]

    del lab.env["MY_HOOK"]
    said = lab.run("resume", run_id)
    assert "nobody will be told of its end" in said.err and "MY_HOOK" in said.err
    lab.wait(run_id)
    assert len(hook.heard) == 2


def test_a_variable_of_the_shell_is_enough_for_all_runs(local_lab: Lab, hook: Hook) -> None:
    local_lab.env["JOBCTL_WEBHOOK"] = hook.url
    write(local_lab, None, python("pass"))
    run_id = local_lab.submit()
    heard(local_lab, run_id, 1)
    assert hook.heard[0]["state"] == "SUCCEEDED"


def test_the_address_in_the_config_counts_before_the_variable(local_lab: Lab, hook: Hook) -> None:
    local_lab.env["JOBCTL_WEBHOOK"] = "http://127.0.0.1:9/"
    write(local_lab, {"webhook": hook.url}, python("pass"))
    heard(local_lab, local_lab.submit(), 1)


WRONG: list[tuple[dict[str, Any] | None, dict[str, str], list[str]]] = [
    ({"webhook_env": "MY_HOOK"}, {}, ["not set", "MY_HOOK", "export MY_HOOK=https://..."]),
    ({"webhook_env": "MY_HOOK"}, {"MY_HOOK": f"ftp://x/{SECRET}"}, ["not an http or https address", "MY_HOOK"]),
    (None, {"JOBCTL_WEBHOOK": f"https://{SECRET}@x/"}, ["user name or password", "JOBCTL_WEBHOOK"]),
    (None, {"JOBCTL_WEBHOOK": f"https://x:99999/{SECRET}"}, ["not an http or https address"]),
    ({"webhook_env": "A", "webhook": "https://x/"}, {}, ["exactly one of 'webhook_env' and 'webhook'", "notify"]),
    ({"webhook": "hooks.example.com/x"}, {}, ["notify.webhook", "not an http or https address"]),
    ({"webhok": "https://x/"}, {}, ["webhok", "webhook"]),
]


@pytest.mark.parametrize(("notify", "env", "words"), WRONG)
def test_a_wrong_address_is_refused_before_anything_is_sent(
    notify: dict[str, Any] | None, env: dict[str, str], words: list[str], local_lab: Lab
) -> None:
    local_lab.env.update(env)
    write(local_lab, notify, python("pass"))
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=2)
    for word in words:
        assert word in said.err
    assert SECRET not in said.err and not local_lab.runs_on_host()


STUB = """#!{python}
import json, os, sys
with open({heard!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
{then}
"""


@pytest.mark.parametrize("program", ["notify-send", "osascript"])
def test_who_follows_in_a_terminal_is_told_by_the_desktop(program: str, local_lab: Lab) -> None:
    """In place of the desktop's own program, of which there is none on a server: one that writes down its arguments."""
    fail = "print('<b>&$(touch pwned)'); import sys, time; time.sleep(4); sys.exit('Error: <b>&$(touch pwned)')"
    write(local_lab, None, python(fail))
    heard_at = _put_on_path(local_lab, program, "sys.exit(1)")
    run_id = local_lab.submit()
    assert _in_a_terminal(local_lab, "logs", "-f", run_id) == 1
    (argv,) = read_lines(heard_at)
    title, text = list(argv)[-2:]
    assert title == f"{run_id}: FAILED"
    assert ("&lt;b&gt;&amp;$(touch pwned)" if program == "notify-send" else "<b>&$(touch pwned)") in text
    _in_a_terminal(local_lab, "logs", "-f", run_id)
    assert len(read_lines(heard_at)) == 1, "it was over already"


def test_scripts_and_those_who_do_not_want_it_are_not_told(local_lab: Lab) -> None:
    write(local_lab, None, python("pass"))
    heard_at = _put_on_path(local_lab, "notify-send", "")
    local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), "--follow")
    local_lab.env["JOBCTL_DESKTOP"] = "no"
    assert _in_a_terminal(local_lab, "submit", "config.yaml", "-i", str(local_lab.inventory), "--follow") == 0
    assert not heard_at.exists()


def _put_on_path(lab: Lab, program: str, then: str) -> Path:
    """Where it writes down what it is called with."""
    folder, heard_at = lab.laptop.parent.parent / "bin", lab.laptop / "heard"
    folder.mkdir()
    (folder / program).write_text(STUB.format(python=sys.executable, heard=str(heard_at), then=then))
    (folder / program).chmod(0o755)
    lab.env["PATH"] = f"{folder}:{os.environ['PATH']}"
    return heard_at


def _in_a_terminal(lab: Lab, *args: str) -> int:
    """The exit code of a command whose standard error is a terminal."""
    ours, terminal = os.openpty()
    try:
        done = subprocess.Popen(
            lab.argv(*args), cwd=lab.laptop, env=lab.environment(), stdout=subprocess.DEVNULL, stderr=terminal
        )
        os.close(terminal)
        with suppress(OSError):  # EIO: nobody has it open any more
            while os.read(ours, 65536):
                pass
        return done.wait(60)
    finally:
        os.close(ours)
