"""Whatever a host says, the laptop ends with one clear error, writes nowhere else, and believes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

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
    "a size below nothing": (["pull"], '{"rows": [["x", "f", -5, "0" * 64, "a"]]}'),
    "a hash that is a path": (["pull"], '{"rows": [["x", "f", 5, "../../..", "a"]]}'),
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


HASH = "hashlib.sha256(b'a' * {size}).hexdigest()"


def pull_answers(rows: str, fetched: str) -> str:
    """Lines of a host whose run is over and has `rows` to pull; `fetched` are the frames that it sends for them."""
    return f"""import hashlib
{READY}
def reply(**fields): frame({{"id": asked["id"], **fields}})
def send(payload, more=True, **fields): frame({{"id": asked["id"], "more": more, **fields}}, payload)
for asked in requests():
    if asked["op"] == "artifacts":
        reply(rows={rows}, empty=[], over=["SUCCEEDED", 1])
    elif asked["op"] == "fetch":
        {fetched}
        reply(short=[])
    elif "op" in asked:
        reply()
"""


def rows(*files: tuple[str, int]) -> str:
    found = ", ".join(f"[{name!r}, 'f', {size}, {HASH.format(size=size)}, 'a']" for name, size in files)
    return f"[{found}]"


BIG = 3 << 20
ONE = rows(("output/x", 5))
LARGE = rows(("output/x", BIG))
LIES = {
    "a name that leads out": (rows(("../evil", 5)), "send(b'aaaaa', parts=[[0, 5]])", "refused"),
    "an absolute name": (rows(("/tmp/jobctl-evil", 5)), "send(b'aaaaa', parts=[[0, 5]])", "refused"),
    "dots inside": (rows(("output/../../evil", 5)), "send(b'aaaaa', parts=[[0, 5]])", "refused"),
    "a file and a folder": (rows(("output", 5), ("output/x", 5)), "pass", "cannot both be"),
    "the same file twice": (rows(("output/x", 5), ("output/x", 6)), "pass", "cannot both be"),
    "another content": (ONE, "send(b'bbbbb', parts=[[0, 5]])", "not what it announced"),
    "another content, large": (LARGE, f"for n in range(3): send(b'b' * {1 << 20}, parts=[[0, {1 << 20}]])", "not what"),
    "zeros in its place": (LARGE, f"send(b'', parts=[[0, -{BIG}]])", "not what it announced"),
    "more than announced": (ONE, "send(b'aaaaaa', parts=[[0, 6]])", "more than it announced"),
    "less than announced": (ONE, "send(b'aaaa', parts=[[0, 4]])", "less than it announced"),
    "less than announced, large": (LARGE, f"send(b'a' * {1 << 20}, parts=[[0, {1 << 20}]])", "less than it announced"),
    "nothing at all": (LARGE, "pass", "less than it announced"),
    "a file without end": (
        LARGE,
        f"while True: send(b'b' * {1 << 20}, parts=[[0, {1 << 20}]])",
        "more than it announced",
    ),
    "zeros without end": (LARGE, "send(b'', parts=[[0, -(1 << 60)]])", "more than it announced"),
    "frames without end that hold nothing": (LARGE, "while True: send(b'')", "not asked for"),
    "parts longer than the frame": (ONE, "send(b'a', parts=[[0, 5]])", "not asked for"),
    "a frame longer than its parts": (ONE, "send(b'aaaaaaaa', parts=[[0, 5]])", "not asked for"),
    "a file that nobody asked for": (ONE, "send(b'aaaaa', parts=[[7, 5]])", "not asked for"),
    "parts that are none": (ONE, "send(b'aaaaa', parts=[[True, '5']])", "not asked for"),
}


@pytest.mark.parametrize(("listed", "fetched", "what"), LIES.values(), ids=LIES.keys())
def test_a_host_that_lies_in_a_pull_writes_nothing_outside_and_nothing_wrong(
    local_lab: Lab, listed: str, fetched: str, what: str
) -> None:
    give_host(local_lab, pull_answers(listed, fetched))
    know_a_run(local_lab)
    there = local_lab.laptop / "there"
    before = {path for path in local_lab.laptop.parent.rglob("*") if there not in path.parents}
    said = local_lab.run("pull", "--to", "there", expect=4)
    assert what in said.err and said.err.count("error: ") == 1
    after = {path for path in local_lab.laptop.parent.rglob("*") if there not in path.parents}
    assert after - before <= {there}
    files = [path.name for path in there.rglob("*") if path.is_file()]
    assert [name for name in files if not name.startswith(".jobctl") and not name.endswith(".part")] == []
    assert not Path("/tmp/jobctl-evil").exists()


def test_a_link_that_lies_in_the_target_is_no_way_out_of_it(local_lab: Lab) -> None:
    give_host(local_lab, pull_answers(ONE, "send(b'aaaaa', parts=[[0, 5]])"))
    know_a_run(local_lab)
    (local_lab.laptop / "outside").mkdir()
    (local_lab.laptop / "there").mkdir()
    (local_lab.laptop / "there" / "output").symlink_to(local_lab.laptop / "outside")
    assert "symbolic link" in local_lab.run("pull", "--to", "there", expect=4).err
    assert not list((local_lab.laptop / "outside").iterdir())


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
