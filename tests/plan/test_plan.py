"""Whole plans, and what names a commit, as data."""

from __future__ import annotations

import pytest

from jobctl.api.code_ref import choose_commit
from jobctl.errors import InputError
from jobctl.plan.manifest import Entry, LeftOut, diff_pull, make_manifest
from jobctl.plan.plan import Item, Tree, make_plan
from jobctl.spec.inventory import load_inventory, pick_host
from jobctl.spec.job import Job

HOST = """
hosts:
  lab-a: {address: 10.0.0.5, user: alice, proxy_jump: bob@bastion, work_dir: /data/alice}
"""

SENT = {
    "name": "small",
    "device": "npu",
    "cards": 2,
    "code": {"path": "code"},
    "data": [{"name": "pictures", "path": "pictures", "link": "data/in"}],
    "stages": [
        {
            "name": "train",
            "steps": [{"argv": ["train.py", "--out", "a b"], "distributed": True}],
            "must_leave": ["output/model.bin"],
        }
    ],
    "artifacts": [{"name": "model", "path": "output/model.bin"}],
}

CLONED = {
    "name": "small",
    "device": "cpu",
    "code": {"git": "https://example.org/x.git", "ref": "main"},
    "data": [{"name": "pictures", "on_host": "/data/pictures", "link": "data/in"}],
    "stages": [{"name": "environment", "steps": [{"argv": ["@host", "code"]}]}],
}

CONNECT = Item(
    "connect",
    "lab-a (alice@10.0.0.5, through bob@bastion)",
    "ssh, one connection; work_dir /data/alice",
)


def test_the_plan_of_a_job_whose_code_and_data_are_sent() -> None:
    tree = Tree(
        make_manifest([Entry("train.py", "f", 7, "0" * 64)]),
        (LeftOut("not a regular file", ("pipe",)),),
        "abcdef0123456789+",
        ("train.py",),
    )
    pictures = Tree(make_manifest([Entry("1.png", "f", 1000, "1" * 64), Entry("2.png", "f", 24, "2" * 64)]), (), None)
    host = pick_host(load_inventory(HOST, "lab.yaml"), None)
    plan = make_plan(
        Job.model_validate(SENT), host, code=tree, data={"pictures": pictures}, files={"template/x.py": b"12345"}
    )
    here = "what the host does not have yet"
    assert plan == (
        CONNECT,
        Item(
            "send",
            "code",
            f"{here}; commit abcdef012345 and uncommitted work",
            7,
            1,
            (LeftOut("not a regular file", ("pipe",)),),
            (("train.py", 7),),
            ("train.py: a git-lfs pointer is sent, not the file, which is not here; git lfs pull",),
        ),
        Item("send", "data pictures -> data/in", here, 1024, 2, largest=(("1.png", 1000), ("2.png", 24))),
        Item("write", "job and helper files", "/data/alice/runs/<run id>/", 5, 1),
        Item("hold", "2 cards", "the first free ones, or those named with --cards; as ASCEND_RT_VISIBLE_DEVICES"),
        Item("run", "train", "python -u -m paddle.distributed.launch --devices 0,1 train.py --out 'a b'"),
        Item("expect", "train", "output/model.bin"),
        Item("pull", "model", "output/model.bin"),
    )


def test_the_plan_of_a_job_whose_code_and_data_are_the_hosts() -> None:
    host = pick_host(load_inventory(HOST, "lab.yaml"), None)
    assert make_plan(Job.model_validate(CLONED), host, code=None, data={}, files={}) == (
        CONNECT,
        Item("clone", "https://example.org/x.git", "on the host, ref main"),
        Item("link", "/data/pictures -> data/in", "a folder that is on the host already"),
        Item("write", "job and helper files", "/data/alice/runs/<run id>/", 0, 0),
        Item("run", "environment", "git clone https://example.org/x.git -b main ."),
    )


BRANCH, TAG, PEELED = "a" * 40, "b" * 40, "c" * 40
LS_REMOTE: dict[str, tuple[str, str | None]] = {
    f"{BRANCH}\trefs/heads/v1\n{TAG}\trefs/tags/v1\n": ("v1", BRANCH),
    f"{TAG}\trefs/tags/v1\n{PEELED}\trefs/tags/v1^{{}}\n": ("v1", PEELED),
    f"{TAG}\trefs/tags/v1\n": ("v1", TAG),
    f"{BRANCH}\tHEAD\n": ("HEAD", BRANCH),
    f"{BRANCH}\trefs/heads/other/v1\n": ("v1", None),
    "": ("v1", None),
    "warning: something\n": ("v1", None),
}


@pytest.mark.parametrize("output", LS_REMOTE)
def test_the_commit_that_a_ref_names_on_a_remote(output: str) -> None:
    ref, commit = LS_REMOTE[output]
    assert choose_commit(output, ref) == commit


def test_a_pull_fetches_what_is_missing_or_differs() -> None:
    same, changed, new = (
        Entry(name, "f", 1, digit * 64) for name, digit in (("same", "1"), ("changed", "2"), ("new", "3"))
    )
    todo = diff_pull([same, changed, new], {"same": "1" * 64, "changed": "9" * 64, "gone": "4" * 64})
    assert (todo.fetch, todo.keep) == ((changed, new), (same,))


def test_a_plan_shows_the_container_as_one_would_type_it() -> None:
    boxed = HOST.replace("alice}", "alice, runtime: docker, container: {shm_size: 64g, extra_mounts: ['/w:/x:ro']}}")
    host = pick_host(load_inventory(boxed, "lab.yaml"), None)
    job = Job.model_validate({**SENT, "data": [], "image": {"aarch64": "paddle:arm"}})
    told = next(item for item in make_plan(job, host, code=None, data={}, files={}) if item.verb == "contain")
    assert told.what == "each step in a container of its own (docker)"
    lines = [line.strip() for line in told.detail.splitlines()[1:]]
    assert (lines[0], lines[-2:]) == ("docker run", ["paddle:arm (aarch64)", "<the step>"])
    for option in (
        "--network=host",
        "--shm-size=64g",
        "--device=/dev/davinci<card>",
        "--device=/dev/davinci_manager",
        "--mount=type=bind,source=/data/alice,target=/data/alice",
        "--mount=type=bind,source=/usr/local/Ascend/driver,target=/usr/local/Ascend/driver,readonly",
        "--mount=type=bind,source=/w,target=/x,readonly",
        "--env=ASCEND_RT_VISIBLE_DEVICES=0,1",
    ):
        assert option in lines


def test_a_job_without_an_image_has_no_plan_for_a_host_with_containers() -> None:
    host = pick_host(load_inventory(HOST.replace("alice}", "alice, runtime: podman}"), "lab.yaml"), None)
    with pytest.raises(InputError, match="the job names no image"):
        make_plan(Job.model_validate({**SENT, "data": []}), host, code=None, data={}, files={})
