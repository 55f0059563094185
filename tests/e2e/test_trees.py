"""Code and data on their way, as the user sees it: what `plan` says, what a host has lost, what comes as an archive."""

from __future__ import annotations

import os
import subprocess
import zipfile

from tests.e2e.lab import Lab, python, snapshot

COUNT = python("import os; print('files:', sum(len(names) for _, _, names in os.walk('in/data')))")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"


def test_the_plan_says_what_is_left_out_and_why_and_touches_nothing(local_lab: Lab) -> None:
    code = local_lab.laptop / "code"
    subprocess.run(["git", "init", "-q"], cwd=code, check=True)
    (code / ".gitignore").write_text("big/\n")
    (code / "big").mkdir()
    (code / "big" / "data.bin").write_bytes(b"x" * 70_000)
    (code / "weights.pdparams").write_text(POINTER)
    local_lab.write_config(["./run.sh"], code={"path": "code", "exclude": ["*.txt"]})
    before = snapshot(local_lab.laptop.parent)
    inventory = ("-i", str(local_lab.inventory))
    told = local_lab.run("plan", "config.yaml", *inventory).out
    assert "left out: ignored by git  (1 file, 70.0 kB): big/" in told
    assert "left out: excluded by `code.exclude`  (1 file, 5 B): sub dir/" in told
    assert "warning: weights.pdparams: a git-lfs pointer is sent" in told
    steps = local_lab.run("plan", "config.yaml", *inventory, "--json").json()["data"]["steps"]
    (sent,) = [step for step in steps if step["verb"] == "send"]
    by_reason = {row["reason"]: row for row in sent["left_out"]}
    assert by_reason["ignored by git"] == {
        "reason": "ignored by git",
        "paths": ["big/"],
        "files": 1,
        "size_bytes": 70_000,
    }
    assert sent["largest"][0] == ["weights.pdparams", len(POINTER)]
    assert snapshot(local_lab.laptop.parent) == before
    submitted = local_lab.run("submit", "config.yaml", *inventory)
    assert "warning: code: weights.pdparams: a git-lfs pointer" in submitted.err
    local_lab.wait(submitted.out.strip())


def test_archives_are_unpacked_for_the_job_and_are_the_same_dataset_as_their_folder(local_lab: Lab) -> None:
    lab, data = local_lab, local_lab.laptop / "downloads"
    data.mkdir()
    for name in ("gtFine", "leftImg8bit"):
        with zipfile.ZipFile(data / f"{name}_trainvaltest.zip", "w") as archive:
            for number in range(5):
                archive.writestr(f"{name}/train/ulm/{number}.png", os.urandom(1000))
    lab.write_config(COUNT, data=[{"name": "city", "path": "downloads", "link": "in/data"}])
    assert "files: 10\n" in lab.run("logs", "-f", lab.submit()).out
    for path in data.iterdir():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(lab.laptop / "flat")
    lab.write_config(COUNT, data=[{"name": "city", "path": "flat", "link": "in/data"}])
    second = lab.run("submit", "config.yaml", "-i", str(lab.inventory))
    assert "data city:" not in second.err, "nothing of it travels again"
    lab.wait(second.out.strip())
    assert len(list((lab.work_dir / "datasets" / "city").iterdir())) == 1


def test_an_archive_with_a_name_that_leads_out_is_refused_before_a_host_is_asked(local_lab: Lab) -> None:
    with zipfile.ZipFile(local_lab.laptop / "bad.zip", "w") as archive:
        archive.writestr("../../evil", "x")
    local_lab.write_config(COUNT, data=[{"name": "city", "path": "bad.zip", "link": "in/data"}])
    said = local_lab.run("submit", "config.yaml", "-i", str(local_lab.inventory), expect=2)
    assert "outside of the dataset" in said.err and "../../evil" in said.err and "connecting" not in said.err


def test_what_the_host_lost_or_somebody_changed_there_is_sent_again(local_lab: Lab) -> None:
    lab, data = local_lab, local_lab.laptop / "pictures"
    data.mkdir()
    for number in range(3):
        (data / f"{number}.png").write_bytes(b"%d" % number * 1000)
    lab.write_config(COUNT, data=[{"name": "pictures", "path": "pictures", "link": "in/data"}])
    lab.wait(lab.submit())
    (folder,) = (lab.work_dir / "datasets" / "pictures").iterdir()
    changed = folder / "1.png"
    changed.chmod(0o644)
    changed.write_bytes(b"x" * 1000)  # as root does: the object behind it is the same file
    said = lab.run("submit", "config.yaml", "-i", str(lab.inventory))
    assert "sending again" in said.err
    lab.wait(said.out.strip())
    assert (folder / "1.png").read_bytes() == b"1" * 1000
    for path in (lab.work_dir / "objects").glob("*/*"):
        path.unlink()
    again = lab.submit()
    assert "files: 3\n" in lab.run("logs", "-f", again).out
    assert (lab.work_dir / "runs" / again / "code" / "run.sh").read_text() == "#!/bin/sh\necho from the code\n"
