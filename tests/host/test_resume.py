"""A training that is killed goes on from its newest complete checkpoint, by itself or by hand."""

from __future__ import annotations

import pickle
import random
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from jobctl.host import control, resume
from jobctl.host.resume import Wish
from jobctl.host.server import OpError
from tests.host.runs import Json, make_job, python_stage, read_lines, run_job, train_stage, wait_for, wait_for_end

CHECKPOINTS = {
    "path": "output/iter_*",
    "files": ["model.pdparams", "model.pdopt"],
    "resume": ["--resume_model", "{checkpoint}"],
    "best": "output/best_model",
    "keep": None,
}
PLAN = {"ranks": 2, "step_s": 0.002, "save": "../output"}


def training(plan: Json, **fields: object) -> Json:
    return train_stage(
        {**PLAN, **plan},
        started_when=r"\[TRAIN\]",
        checkpoints=CHECKPOINTS,
        must_leave=["output/best_model/model.pdparams"],
        **fields,
    )


def retry(attempts: int, *words: str) -> Json:
    return {"attempts": attempts, "on": list(words or ("crash",)), "backoff_s": 0}


def iterations(run_dir: Path) -> list[list[int]]:
    """The iterations that were logged, by attempt."""
    found: dict[int, list[int]] = {}
    for line in read_lines(run_dir / "metrics.jsonl"):
        if line["kind"] == "train":
            found.setdefault(line["attempt"], []).append(line["iter"])
    return [found[attempt] for attempt in sorted(found)]


def best_iteration(run_dir: Path) -> int:
    model = pickle.loads((run_dir / "output" / "best_model" / "model.pdparams").read_bytes())
    return int(model["iter"])


def kills(seed: int, interval: int, iters: int, count: int) -> list[list[object]]:
    """Where a run is killed, each time further on than the checkpoint before it; some of them while it saves."""
    draw = random.Random(seed)
    found: list[list[object]] = []
    for at in sorted(draw.sample(range(interval + 1, iters), count)):
        saves = at // interval * interval
        reachable = saves > interval and (not found or saves > int(str(found[-1][1])))
        found.append([0, saves, "save"] if reachable and draw.random() < 0.5 else [0, at, "step"])
    return found


@pytest.mark.parametrize("seed", [1, 7])
def test_a_training_killed_five_times_ends_with_all_its_iterations(weird_path: Path, seed: int) -> None:
    plan = {"iters": 200, "save_interval": 20, "kill_at": kills(seed, 20, 200, 5)}
    job = make_job("killed", [training(plan)], retry=retry(6))
    status = run_job(weird_path, job)
    assert status["state"] == "SUCCEEDED", status["reason"]
    run_dir = weird_path / "runs" / "killed"
    logged = iterations(run_dir)
    assert {number for attempt in logged for number in attempt} == set(range(1, 201))
    for before, after in pairwise(logged):
        assert before[-1] - 20 <= after[0] - 1 <= before[-1]
        assert after == list(range(after[0], after[-1] + 1))
    assert (run_dir / "output" / "iter_200" / "model.pdopt").exists()
    assert status["stages"][0]["attempts"] == len(logged) == 6
    assert status["stages"][0]["resumed_from"].startswith("iter_")
    assert (status["retry_at"], status["reason"], status["verdict"]) == (None, None, None)
    assert sorted(path.name for path in (run_dir / "log").iterdir()) == [f"train-{number}" for number in range(1, 7)]


def test_what_is_half_written_is_passed_over(tmp_path: Path) -> None:
    plan = {"iters": 12, "save_interval": 4, "kill_at": [[0, 8, "save"]]}
    status = run_job(tmp_path, make_job("half", [training(plan)], retry=retry(2)))
    assert status["state"] == "SUCCEEDED", status["reason"]
    assert status["stages"][0]["resumed_from"] == "iter_4"
    assert iterations(tmp_path / "runs" / "half") == [[1, 2, 3, 4, 5, 6, 7, 8], [5, 6, 7, 8, 9, 10, 11, 12]]


def test_without_a_checkpoint_it_begins_anew(tmp_path: Path) -> None:
    plan = {"iters": 6, "save_interval": 4, "kill_at": [[0, 3, "step"]]}
    status = run_job(tmp_path, make_job("none", [training(plan)], retry=retry(2)))
    assert status["state"] == "SUCCEEDED", status["reason"]
    assert status["stages"][0]["resumed_from"] is None
    assert iterations(tmp_path / "runs" / "none") == [[1, 2, 3], [1, 2, 3, 4, 5, 6]]


BEST: dict[str, tuple[list[float], list[list[object] | None], int, float]] = {
    "the better one of an earlier attempt comes back": ([0.5, 0.3, 0.4], [[0, 6, "step"]], 4, 0.5),
    "a better one of a later attempt stays": ([0.5, 0.3, 0.6], [[0, 6, "step"]], 12, 0.6),
    "one that is half overwritten comes back": ([0.5, 0.3, 0.4], [[0, 6, "step"], [0, 8, "best"]], 4, 0.5),
    "over three attempts": ([0.5, 0.3, 0.2], [[0, 6, "step"], [0, 10, "step"]], 4, 0.5),
}


@pytest.mark.parametrize("name", BEST)
def test_the_best_model_of_all_attempts_stands_at_its_place(tmp_path: Path, name: str) -> None:
    mious, kill_at, iteration, miou = BEST[name]
    plan = {"iters": 12, "save_interval": 4, "mious": mious, "kill_at": kill_at}
    export = python_stage(
        "export", "import shutil; shutil.copy('../output/best_model/model.pdparams', '../output/out')"
    )
    status = run_job(tmp_path, make_job("best", [training(plan), export], retry=retry(3)))
    run_dir = tmp_path / "runs" / "best"
    assert status["state"] == "SUCCEEDED", status["reason"]
    assert best_iteration(run_dir) == iteration
    assert pickle.loads((run_dir / "output" / "out").read_bytes())["iter"] == iteration
    assert (status["progress"]["best_miou"], status["progress"]["best_iter"]) == (miou, iteration)
    told = [line for line in read_lines(run_dir / "events.jsonl") if line["event"] == "best_model_put_back"]
    assert bool(told) == (miou == 0.5)
    assert not (run_dir / "kept" / "best_model").exists()


def test_a_failure_that_would_repeat_is_not_tried_again(tmp_path: Path) -> None:
    plan = {"iters": 6, "fail": {"0": {"text": "The specified component (X) was not found.", "exit": 1}}}
    status = run_job(tmp_path, make_job("same", [training(plan)], retry=retry(5)))
    assert (status["state"], status["stages"][0]["attempts"]) == ("FAILED", 1)
    assert status["reason"].endswith("not tried again: it would be the same")


def test_the_same_failure_twice_is_not_tried_again(tmp_path: Path) -> None:
    plan = {"iters": 6, "fail": {"0": {"text": "RuntimeError: index 7 is strange", "exit": 1}}}
    status = run_job(tmp_path, make_job("twice", [training(plan)], retry=retry(5)))
    assert (status["state"], status["stages"][0]["attempts"]) == ("FAILED", 2)
    assert status["reason"].endswith("it failed with the same line twice and came no further")


def test_a_cancel_ends_the_wait_for_the_next_try(tmp_path: Path) -> None:
    from tests.host.runs import stage_run

    policy = {"attempts": 5, "on": ["crash"], "backoff_s": 3600}
    job = make_job("wait", [python_stage("s", "raise ValueError('no')")], retry=policy)
    run_dir = stage_run(tmp_path, job)
    control.start(tmp_path, "wait")
    status = wait_for(lambda: control.status(run_dir), lambda status: bool(status["retry_at"]))
    assert status["reason"].endswith("tried again in 3600 s, try 2 of 5")
    assert control.cancel(tmp_path, "wait")["state"] == "CANCELLED"


def failed_run(root: Path, **fields: object) -> Path:
    """A training of 12 iterations that was killed at the tenth."""
    plan = {"iters": 12, "save_interval": 4, "kill_at": [[0, 10, "step"]]}
    status = run_job(root, make_job("run", [python_stage("data", "pass"), training(plan)], **fields))
    assert status["state"] == "FAILED"
    return root / "runs" / "run"


def test_a_failed_run_goes_on_by_hand_as_the_same_run(weird_path: Path) -> None:
    run_dir = failed_run(weird_path)
    resume.resume(weird_path, run_dir, Wish(), {})
    status = wait_for_end(run_dir)
    assert (status["state"], status["resumes"]) == ("SUCCEEDED", 1), status["reason"]
    assert [stage["attempts"] for stage in status["stages"]] == [1, 2]
    assert iterations(run_dir) == [list(range(1, 11)), list(range(9, 13))]
    assert [line["cause"] for line in read_lines(run_dir / "events.jsonl") if line["event"] == "resumed"] == ["resumed"]


def test_a_named_checkpoint_is_the_one_it_goes_on_from(tmp_path: Path) -> None:
    run_dir = failed_run(tmp_path)
    resume.resume(tmp_path, run_dir, Wish(checkpoint="iter_4"), {})
    assert wait_for_end(run_dir)["stages"][1]["resumed_from"] == "iter_4"


def test_a_stage_that_has_succeeded_can_be_repeated(tmp_path: Path) -> None:
    run_dir = failed_run(tmp_path)
    resume.resume(tmp_path, run_dir, Wish(stage="data"), {})
    assert [stage["attempts"] for stage in wait_for_end(run_dir)["stages"]] == [2, 2]


def test_a_cancelled_run_goes_on(tmp_path: Path) -> None:
    from tests.host.runs import stage_run

    plan = {"iters": 40, "save_interval": 4, "step_s": 0.05}
    run_dir = stage_run(tmp_path, make_job("run", [training(plan)]))
    control.start(tmp_path, "run")
    wait_for(lambda: control.status(run_dir), lambda status: (run_dir / "output" / "iter_8").exists())
    assert control.cancel(tmp_path, "run", grace_s=1.0)["state"] == "CANCELLED"
    resume.resume(tmp_path, run_dir, Wish(), {})
    status = wait_for_end(run_dir)
    assert (status["state"], status["resumes"]) == ("SUCCEEDED", 1), status["reason"]
    assert not (run_dir / "cancel.json").exists()
    assert {number for attempt in iterations(run_dir) for number in attempt} == set(range(1, 41))


def test_a_secret_must_be_sent_again(tmp_path: Path) -> None:
    script = "import os, pathlib; assert os.environ['TOKEN'] == 'second' or pathlib.Path('x').write_text('') is None"
    job = make_job("run", [python_stage("s", script)], secrets=["TOKEN"])
    assert run_job(tmp_path, job, {"TOKEN": "first"})["state"] == "FAILED"
    run_dir = tmp_path / "runs" / "run"
    assert resume.needs(run_dir) == {"secrets": ["TOKEN"]}
    with pytest.raises(OpError, match="the secret TOKEN was not sent along"):
        resume.resume(tmp_path, run_dir, Wish(), {})
    resume.resume(tmp_path, run_dir, Wish(), {"TOKEN": "second"})
    assert wait_for_end(run_dir)["state"] == "SUCCEEDED"
    assert not (run_dir / "secrets.json").exists()


REFUSED: dict[str, tuple[Wish, str]] = {
    "best_model": (Wish(checkpoint="best_model"), "best_model cannot be gone on from: it is the weights alone"),
    "one that is not there": (Wish(checkpoint="iter_9"), "there is no checkpoint iter_9"),
    "one that is cut off": (Wish(checkpoint="iter_8"), "iter_8 is not complete: model.pdopt is cut off or damaged"),
    "a stage that is not there": (Wish(stage="trian"), "it has no stage 'trian'"),
    "a stage without checkpoints": (Wish(checkpoint="iter_4", stage="data"), "data does not go on from checkpoints"),
    "cards on a cpu": (Wish(cards=[0, 1, 2, 3]), "a job with `device: cpu` holds no cards"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_resumed_is_refused_and_nothing_changes(tmp_path: Path, name: str) -> None:
    wish, why = REFUSED[name]
    run_dir = failed_run(tmp_path)
    cut = run_dir / "output" / "iter_8" / "model.pdopt"
    cut.write_bytes(cut.read_bytes()[:-1])
    before = {path: path.read_bytes() for path in run_dir.glob("*.json*")}
    with pytest.raises(OpError) as caught:
        resume.resume(tmp_path, run_dir, wish, {})
    assert (caught.value.kind, caught.value.message[: len(why)]) == ("refused", why)
    assert {path: path.read_bytes() for path in run_dir.glob("*.json*")} == before


def test_a_training_that_is_complete_is_not_resumed(tmp_path: Path) -> None:
    stages = [training({"iters": 8, "save_interval": 4}), python_stage("export", "raise ValueError('no')")]
    assert run_job(tmp_path, make_job("run", stages))["state"] == "FAILED"
    with pytest.raises(OpError) as caught:
        resume.resume(tmp_path, tmp_path / "runs" / "run", Wish(checkpoint="iter_8", stage="train"), {})
    assert caught.value.message == (
        "iter_8 is at iteration 8 of 8: that training is complete; go on behind it: jobctl resume run --from export"
    )


def test_what_follows_a_training_killed_after_its_last_iteration_can_be_done(tmp_path: Path) -> None:
    plan = {"iters": 8, "save_interval": 4, "kill_at": [[0, 8, "end"]]}
    stages = [training(plan), python_stage("export", "pass")]
    assert run_job(tmp_path, make_job("run", stages))["state"] == "FAILED"
    run_dir = tmp_path / "runs" / "run"
    resume.resume(tmp_path, run_dir, Wish(stage="export"), {})
    status = wait_for_end(run_dir)
    assert status["state"] == "SUCCEEDED"
    assert [(stage["state"], stage["attempts"]) for stage in status["stages"]] == [("SUCCEEDED", 1), ("SUCCEEDED", 1)]


def test_a_stage_in_between_cannot_be_left_out(tmp_path: Path) -> None:
    stages = [training({"iters": 8, "save_interval": 4, "kill_at": [[0, 5, "step"]]}), python_stage("export", "pass")]
    assert run_job(tmp_path, make_job("run", stages))["state"] == "FAILED"
    with pytest.raises(OpError, match="train comes before export and has not succeeded"):
        resume.resume(tmp_path, tmp_path / "runs" / "run", Wish(stage="export"), {})


def test_another_number_of_cards_is_refused(tmp_path: Path) -> None:
    job = make_job("run", [python_stage("s", "pass")], device="npu", cards=4)
    with pytest.raises(OpError, match="it began with 4 cards, and --cards names 2") as caught:
        resume.find_beginning(tmp_path, job, {"stages": [{"name": "s", "state": "FAILED"}]}, Wish(cards=[0, 1]))
    assert "SyncBN" in caught.value.details["hint"]


def test_a_run_that_succeeded_or_lives_is_refused(tmp_path: Path) -> None:
    from tests.host.runs import stage_run

    run_job(tmp_path, make_job("done", [python_stage("s", "pass")]))
    with pytest.raises(OpError, match="it has succeeded: there is nothing to go on with"):
        resume.resume(tmp_path, tmp_path / "runs" / "done", Wish(), {})
    run_dir = stage_run(tmp_path, make_job("alive", [python_stage("s", "import time; time.sleep(600)")]))
    control.start(tmp_path, "alive")
    with pytest.raises(OpError, match="it is alive"):
        resume.resume(tmp_path, run_dir, Wish(), {})
    control.cancel(tmp_path, "alive", grace_s=0.0)


def test_a_lost_run_goes_on_and_what_it_left_running_is_ended_first(tmp_path: Path) -> None:
    import os

    from tests.host.runs import marked_processes, stage_run

    plan = {"iters": 40, "save_interval": 4, "step_s": 0.05}
    run_dir = stage_run(tmp_path, make_job("run", [training(plan)]))
    control.start(tmp_path, "run")
    wait_for(lambda: control.status(run_dir), lambda status: (run_dir / "output" / "iter_8").exists())
    status = control.status(run_dir)
    os.kill(status["supervisor"]["pid"], signal.SIGKILL)
    wait_for(lambda: control.status(run_dir), lambda status: status["state"] == "LOST")
    resume.resume(tmp_path, run_dir, Wish(), {})
    status = wait_for_end(run_dir)
    assert (status["state"], status["resumes"]) == ("SUCCEEDED", 1), status["reason"]
    assert {number for attempt in iterations(run_dir) for number in attempt} >= set(range(1, 7))
    assert marked_processes(run_dir) == []
