"""Whatever a host says, the laptop ends with one clear error, writes nowhere else, and believes nothing."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.e2e.lab import Lab
from tests.e2e.speaking_host import READY, RUN_ID, answer_all, give_host, know_a_run

GREETINGS = {
    "garbage": "out.write(os.urandom(3000))",
    "a word that is no JSON": 'out.write(b"\\n\\0JOBCTL garbage\\n")',
    "a word that is a number": 'out.write(b"\\n\\0JOBCTL 7\\n")',
    "fields that are none": 'say("ready", [])',
    "too old without a version": 'say("old-python", {})',
    "an error without a path": 'say("error", {"errno": 28})',
    "JSON that is too deep": 'out.write(b"\\n\\0JOBCTL " + b"[" * 200000 + b"\\n")',
    "a word without end": 'out.write(b"\\n\\0JOBCTL ")\nwhile True: out.write(b"x" * 100000)',
    "noise without end": 'while True: out.write(b"x" * 100000)',
}


@pytest.mark.parametrize("lines", GREETINGS.values(), ids=GREETINGS.keys())
def test_a_greeting_that_is_none_is_an_error_of_the_host(local_lab: Lab, lines: str) -> None:
    give_host(local_lab, lines)
    local_lab.write_config(["true"])
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=3)
    assert said.err.count("error: ") == 1
    assert local_lab.run("ps", "--json").json()["data"] == []


FRAMES = {
    "an absurd length": 'out.write(struct.pack(">II", 2**31, 5))',
    "an id that is a list": 'frame({"id": [1]})',
    "JSON that is too deep": 'frame(b"[" * 200000)',
    "half a frame": 'out.write(b"\\0\\0\\0\\x50half")\nout.close()\nos._exit(0)',
}


@pytest.mark.parametrize("lines", FRAMES.values(), ids=FRAMES.keys())
def test_bytes_that_are_no_frames_end_the_connection(local_lab: Lab, lines: str) -> None:
    give_host(local_lab, f"{READY}{lines}\nfor asked in requests(): pass")
    know_a_run(local_lab)
    assert "not our protocol" in local_lab.run("status", expect=0).out
    assert local_lab.run("cancel", expect=3).err.count("error: ") == 1


def status(**fields: object) -> str:
    """A reply to `status` and `cancel` alike."""
    told = json.dumps({"state": "RUNNING", **fields})
    return f'{{"statuses": {{"{RUN_ID}": json.loads({told!r})}}, **json.loads({told!r})}}'


STATUSES = {
    "nothing": "{}",
    "a list": '{"statuses": [1]}',
    "no state": f'{{"statuses": {{"{RUN_ID}": {{"x": 1}}}}}}',
    "a state that is a number": status(state=7),
    "a reason that is an object": status(reason={"a": 1}),
    "stages that are a text": status(stages="abc"),
    "a stage without a name": status(stages=[{"name": None, "state": "RUNNING"}]),
    "a start that is a text": status(stages=[{"name": "a", "state": "RUNNING", "started_at": "now"}]),
    "progress that is a list": status(progress=[1]),
    "a loss that is a text": status(progress={"loss": "low"}),
    "a number that is not finite": status(progress={"eta_s": float("nan")}),
    "a number without end": status(progress={"iter": 10**400}),
    "an error that is a text": '{"error": "boo"}',
}


@pytest.mark.parametrize("fields", STATUSES.values(), ids=STATUSES.keys())
def test_a_status_of_another_shape_is_not_believed(local_lab: Lab, fields: str) -> None:
    give_host(local_lab, answer_all(fields))
    know_a_run(local_lab)
    row = local_lab.run("ps", "--json").json()["data"][0]
    assert (row["error"]["kind"], row["state"]) == ("HostProgramError", "STAGING")
    assert "not understood" in local_lab.run("status").out
    assert "not understood" in local_lab.run("cancel", expect=3).err


NOT_UNDERSTOOD = {
    "a log without a state": (["logs"], "{}"),
    "a listing of numbers": (["pull"], '{"rows": [5]}'),
    "rows of other types": (["pull"], '{"rows": [[7, "5", None, []]]}'),
    "a size below nothing": (["pull"], '{"rows": [["x", -5, "0" * 64, "a"]]}'),
    "a hash that is a path": (["pull"], '{"rows": [["x", 5, "../../..", "a"]]}'),
    "a run id that is a path": (
        ["adopt", "-i", "inventory.yaml"],
        '{"run_ids": [], "runs": [{"run_id": "../../../evil", "state": "RUNNING"}]}',
    ),
    "files that are not in the tree": (
        ["submit", "config.yaml", "-i", "inventory.yaml"],
        '{"known": False, "more": True, "missing": [99, "x"]}',
    ),
    "a start that is none": (["submit", "config.yaml", "-i", "inventory.yaml"], '{"known": True}'),
}


@pytest.mark.parametrize(("args", "fields"), NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_an_answer_of_another_shape_is_an_error_of_the_host(local_lab: Lab, args: list[str], fields: str) -> None:
    give_host(local_lab, answer_all(fields))
    know_a_run(local_lab)
    local_lab.write_config(["true"])
    before = set(local_lab.laptop.parent.rglob("*.json"))
    assert "not understood" in local_lab.run(*args, expect=3).err
    made = set(local_lab.laptop.parent.rglob("*.json")) - before
    assert all(path.parent.name == "runs" for path in made), "nothing is written but records"


def test_a_start_whose_answer_is_not_understood_may_have_happened_and_is_not_forgotten(local_lab: Lab) -> None:
    give_host(local_lab, answer_all('{"known": True}'))
    local_lab.write_config(["true"])
    local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=3)
    assert len(local_lab.run("ps", "--json").json()["data"]) == 1


@pytest.mark.slow
def test_a_python_that_never_says_a_word_is_given_up(local_lab: Lab) -> None:
    give_host(local_lab, "time.sleep(600)")
    local_lab.write_config(["true"])
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=3)
    assert "did not begin to talk" in said.err and "python:" in said.err


@pytest.mark.parametrize("command", ["ps", "status", "cancel", "pull"])
def test_ctrl_c_does_not_wait_for_a_silent_host(local_lab: Lab, command: str) -> None:
    silent = local_lab.laptop / "reached"
    give_host(local_lab, f"{READY}for asked in requests(): open({str(silent)!r}, 'w').close()")
    know_a_run(local_lab)
    process = subprocess.Popen(
        local_lab.argv(command), cwd=local_lab.laptop, env=local_lab.environment(), stderr=subprocess.PIPE
    )
    while not silent.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=15)  # a host is given up after 25 s of silence
    assert process.returncode == 130
    assert told.decode().strip().endswith("interrupted")
