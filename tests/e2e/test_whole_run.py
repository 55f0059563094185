"""From submit to results, over each transport."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from tests.conftest import WEIRD_NAME
from tests.e2e.lab import Lab, python, snapshot

MARK = "wörld 'x' \"y\" $(touch pwned) `z` \\ * \n second line"

PRINT_AND_SAVE = """
import os, sys
print("hello", sys.argv[1])
os.makedirs("output/model")
open("output/model/" + sys.argv[2], "w").write(sys.argv[1])
"""


def test_a_submitted_run_is_followed_to_its_end_and_its_results_are_pulled(lab: Lab) -> None:
    name = WEIRD_NAME.replace("*", "+")  # an artifact's path is a glob
    lab.write_config(
        ["./run.sh"], python(PRINT_AND_SAVE, MARK, name), artifacts=[{"name": "model", "path": "output/model/**"}]
    )
    submitted = lab.run("submit", "config.yaml", "-i", str(lab.inventory))
    run_id = submitted.out.strip()
    assert submitted.out == f"{run_id}\n", "the id stands alone on standard output"

    assert lab.run("logs", "-f", run_id).out.endswith(f"from the code\n{_echo(lab, run_id)}hello {MARK}\n")
    status = lab.run("status", "--json").json()["data"]
    assert (status["run_id"], status["state"]) == (run_id, "SUCCEEDED")
    assert [stage["state"] for stage in status["stages"]] == ["SUCCEEDED"]

    pulled = lab.run("pull", run_id[:-1], "--json").json()["data"]
    folder = Path(pulled["folder"])
    assert folder == (lab.laptop / "results" / run_id).resolve()
    assert pulled["artifacts"]["model"] == [f"output/model/{name}"]
    assert (folder / "output" / "model" / name).read_text() == MARK
    assert not list(lab.laptop.parent.rglob("pwned"))


def _echo(lab: Lab, run_id: str) -> str:
    """The line that names the second step, as the log has it."""
    text = (lab.work_dir / "runs" / run_id / "logs" / "train.log").read_text()
    return text[text.index("from the code\n") + len("from the code\n") : text.index("hello wörld")]


def test_a_second_pull_brings_nothing_and_repairs_what_was_changed_here(lab: Lab) -> None:
    lab.write_config(python(PRINT_AND_SAVE, "x", "a.bin"), artifacts=[{"name": "model", "path": "output/model/*"}])
    run_id = lab.submit()
    lab.wait(run_id)
    lab.run("pull", "--to", "there")
    before = snapshot(lab.laptop / "there")
    assert lab.run("pull", "--to", "there", "--json").json()["data"]["fetched"] == []
    assert snapshot(lab.laptop / "there").keys() == before.keys()
    (lab.laptop / "there" / "output" / "model" / "a.bin").write_text("y")
    assert lab.run("pull", "--to", "there", "--json").json()["data"]["fetched"] == ["output/model/a.bin"]
    assert (lab.laptop / "there" / "output" / "model" / "a.bin").read_text() == "x"


def test_code_arrives_as_it_is_with_links_and_executable_bits_and_each_run_has_its_own(lab: Lab) -> None:
    lab.write_config(["./link"])
    first = lab.work_dir / "runs" / lab.submit() / "code"
    lab.wait(first.parent.name)
    assert os.readlink(first / "link") == "run.sh"
    assert (first / "run.sh").stat().st_mode & stat.S_IXUSR
    (lab.laptop / "code" / "run.sh").write_text("#!/bin/sh\necho changed\n")
    second = lab.work_dir / "runs" / lab.submit() / "code"
    assert "from the code" in (first / "run.sh").read_text()
    assert "changed" in (second / "run.sh").read_text()
    unchanged = "sub dir/$(touch pwned) 'quote' 文.txt"
    assert (first / unchanged).read_bytes() == (second / unchanged).read_bytes()
    # Root can write to read-only files, and would write to those of all runs.
    shared = (first / unchanged).samefile(second / unchanged)
    assert shared == (os.geteuid() != 0), "unchanged files are shared, where nobody can write to them"
    lab.wait(second.parent.name)


def test_a_stage_that_writes_to_its_code_changes_no_other_runs(lab: Lab) -> None:
    change = "import os\ntry: open('run.sh', 'w').write('#!/bin/sh')\nexcept PermissionError: print('refused')"
    lab.write_config(python(change))
    first = lab.submit()
    lab.wait(first)
    lab.write_config(["./run.sh"])
    assert "from the code\n" in lab.run("logs", "-f", lab.submit()).out


def test_data_is_sent_once_and_linked_where_the_job_looks_for_it(lab: Lab) -> None:
    data = lab.laptop / "pictures & more"
    data.mkdir()
    (data / WEIRD_NAME).write_bytes(b"\0\xff" * 1000)
    show = python("import os, sys; print(len(open(os.path.join('in/data', os.listdir('in/data')[0]), 'rb').read()))")
    lab.write_config(show, data=[{"name": "pictures", "path": "pictures & more", "link": "in/data"}])
    first = lab.submit()
    assert "2000\n" in lab.run("logs", "-f", first).out
    second = lab.run("submit", "config.yaml", "-i", str(lab.inventory))
    assert "data pictures:" not in second.err, "nothing of it travels again"
    lab.wait(second.out.strip())
    assert len(list((lab.work_dir / "datasets" / "pictures").iterdir())) == 1


def test_secrets_reach_the_stages_and_nothing_else(lab: Lab) -> None:
    lab.env["TRIAL_TOKEN"] = "s3cret value 'with quotes'"
    lab.write_config(python("import os; print(len(os.environ['TRIAL_TOKEN']))"), secrets=["TRIAL_TOKEN"])
    run_id = lab.submit()
    assert f"{len(lab.env['TRIAL_TOKEN'])}\n" in lab.run("logs", "-f", run_id).out
    lab.run("pull", run_id, "--to", "there")
    for folder in (lab.work_dir, lab.laptop):
        for name, (_, _, content) in snapshot(folder).items():
            assert b"s3cret" not in content, name


def test_a_stage_that_exits_0_without_leaving_what_it_must_has_failed(lab: Lab) -> None:
    lab.write_config(python("print('all fine')"), must_leave=["output/model.bin"])
    run_id = lab.submit()
    told = lab.run("logs", "-f", run_id, expect=1).err
    assert f"{run_id}: FAILED: train" in told and f"next: jobctl status {run_id}" in told
    status = lab.run("status", run_id, "--json").json()["data"]
    assert status["state"] == "FAILED"
    assert "output/model.bin" in status["reason"]


def test_every_reading_command_speaks_json(lab: Lab) -> None:
    lab.write_config(["./run.sh"])
    run_id = lab.submit()
    lab.wait(run_id)
    commands = (["ps"], ["status"], ["logs"], ["pull"], ["adopt", "-i", str(lab.inventory)], ["render", "config.yaml"])
    for args in commands:
        answer = lab.run(*args, "--json").json()
        assert (answer["version"], answer["command"]) == (1, args[0])
        assert answer["data"] is not None


def test_a_run_of_another_laptop_is_adopted_and_pulled(lab: Lab) -> None:
    lab.write_config(python(PRINT_AND_SAVE, "x", "a.bin"), artifacts=[{"name": "model", "path": "output/model/*"}])
    run_id = lab.submit()
    lab.wait(run_id)
    lab.env["JOBCTL_HOME"] = str(lab.laptop / "another")
    assert lab.run("status", run_id, expect=5).err.startswith("error: ")
    assert run_id in lab.run("adopt", "-i", str(lab.inventory)).out
    assert lab.run("ps", "--json").json()["data"][0]["run_id"] == run_id
    lab.run("pull", "--to", "there")
    assert (lab.laptop / "there" / "output" / "model" / "a.bin").read_text() == "x"


def test_plan_and_render_change_nothing_anywhere(lab: Lab) -> None:
    lab.write_config(["./run.sh"], data=[{"name": "d", "path": "code", "link": "in"}])
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *args], cwd=lab.laptop / "code", check=True)
    (lab.laptop / "code" / "run.sh").touch()  # `git status` would now refresh its index
    before = snapshot(lab.laptop.parent)
    lab.run("plan", "config.yaml", "-i", str(lab.inventory))
    lab.run("render", "config.yaml")
    assert snapshot(lab.laptop.parent) == before
    lab.wait(lab.submit())
    before = snapshot(lab.laptop.parent)
    lab.run("plan", "config.yaml", "-i", str(lab.inventory), "--json")
    assert snapshot(lab.laptop.parent) == before, "also when caches are there"


def test_an_artifact_that_no_file_matches_is_told(local_lab: Lab) -> None:
    lab = local_lab
    missing = {"name": "model", "path": "output/modle.bin"}
    lab.write_config(python("open('output/model.bin', 'w').write('x')"), artifacts=[missing])
    run_id = lab.submit()
    lab.wait(run_id)
    pulled = lab.run("pull", run_id)
    assert "no file matches output/modle.bin" in pulled.out
    assert "no file matches: model (output/modle.bin)" in lab.run("pull", run_id, "--only", "model", expect=2).err
