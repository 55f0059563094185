"""Output that goes nowhere, into a full disk, another encoding or a terminal; a home that cannot be written."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from tests.e2e.lab import Lab, python
from tests.e2e.speaking_host import RUN_ID, answer_all, give_host, know_a_run

TITLE, COLOUR = "\x1b]0;owned\x07", "\x1b[35m"
EVIL = f"{TITLE}{COLOUR}evil\x1b[2J\x1b[1A\rdone\x9b2J\x08"


def on_a_terminal(lab: Lab, *args: str) -> str:
    """What a command writes to a terminal, standard error included; our own colours switched off."""
    ours, theirs = pty.openpty()
    env = {**lab.environment(), "TERM": "dumb", "NO_COLOR": "1"}
    process = subprocess.Popen(lab.argv(*args), cwd=lab.laptop, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux ends a pseudo-terminal with EIO
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    process.wait()
    return said.decode()


def test_words_of_a_host_do_not_take_over_the_terminal(local_lab: Lab) -> None:
    stage = {"name": EVIL, "state": EVIL, "reason": EVIL}
    status = json.dumps({"state": "RUNNING", "reason": EVIL, "stages": [stage]})
    give_host(local_lab, answer_all(f'{{"statuses": {{"{RUN_ID}": json.loads({status!r})}}}}'))
    know_a_run(local_lab)
    said = [on_a_terminal(local_lab, "ps"), on_a_terminal(local_lab, "status")]
    give_host(local_lab, answer_all(f'{{"error": {{"message": {EVIL!r}}}}}'))
    know_a_run(local_lab)
    said.append(on_a_terminal(local_lab, "cancel"))
    for text in said:
        assert "evil" in text
        for sequence in (TITLE, COLOUR, "\x1b[2J", "\x1b[1A", "\x07", "\x08", "\x9b", "\rdone"):
            assert sequence not in text, repr(text)


def test_a_log_is_exact_in_a_file_and_harmless_on_a_terminal(local_lab: Lab) -> None:
    local_lab.write_config(python(f"import sys; sys.stdout.buffer.write({EVIL.encode()!r} + bytes([0, 255, 10]))"))
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    done = subprocess.run(
        local_lab.argv("logs"), cwd=local_lab.laptop, env=local_lab.environment(), capture_output=True, check=True
    )
    assert done.stdout == (local_lab.work_dir / "runs" / run_id / "logs" / "train.log").read_bytes()
    said = on_a_terminal(local_lab, "logs")
    assert "evil" in said and "done" in said
    assert "\x07" not in said and "\x9b" not in said and "\x1b]0" not in said


@pytest.mark.parametrize("where", ["> /dev/full", ">&-", ">&- 2>&-", "| true"])
def test_output_that_goes_nowhere_is_no_bug(local_lab: Lab, where: str) -> None:
    know_a_run(local_lab, status={"state": "SUCCEEDED", "stages": []})
    for args in (["ps"], ["render", "config.yaml"], ["schema", "job"]):
        local_lab.write_config(["true"])
        script = f'"$@" {where}'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *local_lab.argv(*args)],
            cwd=local_lab.laptop,
            env=local_lab.environment(),
            capture_output=True,
            text=True,
        )
        assert "bug" not in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert done.returncode == (2 if "full" in where else 0)


def test_an_encoding_without_the_letters_gets_escapes(local_lab: Lab) -> None:
    local_lab.env["PYTHONIOENCODING"] = "latin-1"
    local_lab.write_config(["echo", "中文"])
    assert "\\u4e2d\\u6587" in local_lab.run("render", "config.yaml").out
    answer = json.loads(local_lab.run("render", "config.yaml", "--json").out)
    assert "中文" in json.dumps(answer, ensure_ascii=False)


def test_names_that_are_no_text_are_pulled_and_shown(local_lab: Lab) -> None:
    local_lab.write_config(
        python("open(b'output/\\xff\\xfe', 'w').write('x')"), artifacts=[{"name": "odd", "path": "output/*"}]
    )
    run_id = local_lab.submit()
    local_lab.wait(run_id)
    assert "\\udcff" in local_lab.run("pull", "--to", "there").out
    data = local_lab.run("pull", "--to", "there", "--json").json()["data"]
    assert data["artifacts"]["odd"] == [os.fsdecode(b"output/\xff\xfe")]
    assert (local_lab.laptop / "there" / "output" / os.fsdecode(b"\xff\xfe")).read_text() == "x"


def test_a_home_that_cannot_be_written_is_named(local_lab: Lab) -> None:
    (local_lab.laptop / "records").write_text("a file in its place")
    local_lab.write_config(["true"])
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=2)
    assert "JOBCTL_HOME" in said.err and local_lab.runs_on_host() == []
    assert "no runs yet" in local_lab.run("ps").out
    local_lab.run("plan", "config.yaml", "-i", str(local_lab.inventory))
