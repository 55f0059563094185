"""Imitates `python -m paddle.distributed.launch tools/train.py` of paddlepaddle 3.3.1 with PaddleSeg, without either.

As the real one: every rank sits in a session of its own and writes to `$PADDLE_LOG_DIR/workerlog.N` (appended to); the
launcher repeats workerlog.0 on its stdout; only rank 0 logs; a rank that fails ends the pod with an exit code that is
not the rank's own; SIGTERM ends launcher (15) and ranks. Which of it happens is told by STUB_LAUNCH, a JSON object:

    ranks, iters, step_s     how many, how long
    ignore_term              launcher and ranks ignore SIGTERM
    hang_attempts            in so many first attempts nothing is ever printed
    die_attempts             in so many first attempts the ranks cannot connect
    fail                     {rank: {"text": ..., "exit": code} or {"signal": number}}: that rank fails at iteration 2
    finish                   {"signal": number}: rank 0 says that it is finished, and falls
    exit                     what the launcher exits with in the end, whatever happened
    stay                     ranks live on after the launcher has ended
    save                     folder for the checkpoints

With `save_interval` it saves as PaddleSeg 2.9: not atomically, best_model by mIoU, and the best forgotten on resume.
Its arguments are then PaddleSeg's `--iters N` and `--resume_model FOLDER`.

    save_interval            iterations between two checkpoints, each with an evaluation
    mious                    the mIoU of each evaluation, in order of iterations; default: better each time
    keep_checkpoint_max      how many of its own checkpoints a launch keeps; default: all
    kill_at                  for each attempt [rank, iter, where] or null: SIGKILL for that rank at that iteration;
                             where: "step", "save" (half of model.pdopt is written), "best" (half of best_model), "end"
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLAN: dict[str, Any] = json.loads(os.environ.get("STUB_LAUNCH", "{}"))
ATTEMPT = int(os.environ.get("JOBCTL_ATTEMPT", "1"))


def rank_main(rank: int, resume_from: str | None, iters: int) -> int:
    if PLAN.get("hang_attempts", 0) >= ATTEMPT:
        time.sleep(3600)
    if PLAN.get("die_attempts", 0) >= ATTEMPT:
        say("Traceback (most recent call last):", '  File "train.py", line 1, in <module>')
        say("RuntimeError: Connection refused [127.0.0.1]")
        return 1
    start = resumed_iter(resume_from) if resume_from else 0
    if start >= iters:
        raise UnboundLocalError("local variable 'avg_loss' referenced before assignment")
    saver = Saver(iters)
    for number in range(start + 1, iters + 1):
        time.sleep(PLAN.get("step_s", 0.01))
        if rank == 0:
            say(
                f"2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 1, iter: {number}/{iters}, loss: {3 - number / 10:.4f}, "
                "lr: 0.005839, batch_cost: 0.7836, reader_cost: 0.00666, ips: 2.5522 samples/sec | ETA 00:00:07"
            )
        failure = PLAN.get("fail", {}).get(str(rank))
        if failure and number == 2:
            return fail(failure)
        kill_here(rank, number, "step")
        if rank == 0 and "save_interval" in PLAN:
            saver.after(number)
        kill_here(rank, number, "end")
    if rank == 0 and "save_interval" not in PLAN:
        save(iters)
    if PLAN.get("stay"):
        time.sleep(3600)
    if rank == 0 and "finish" in PLAN:
        say("Total Flops: 62912496     Total Params: 739467")
        fail(PLAN["finish"])
    return 0


def save(iters: int) -> None:
    say(f"2026-11-23 00:13:10 [INFO]\t[EVAL] #Images: 4 mIoU: 0.{iters:04d} Acc: 0.0556 Kappa: 0.0037 Dice: 0.0083")
    for name in (f"iter_{iters}", "best_model"):
        folder = Path(PLAN.get("save", "output")) / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.pdparams").write_bytes(b"weights")
    say(
        f"2026-11-23 00:13:11 [INFO]\t[EVAL] The model with the best validation mIoU (0.{iters:04d}) "
        f"was saved at iter {iters}."
    )


class Saver:
    """What PaddleSeg's train() does after an iteration (paddleseg/core/train.py, 2.9.0)."""

    def __init__(self, iters: int) -> None:
        self._iters = iters
        self._folder = Path(PLAN.get("save", "output"))
        self._best = -1.0  # a resumed training begins with this too
        self._saved: list[Path] = []

    def after(self, number: int) -> None:
        if number % PLAN["save_interval"] and number != self._iters:
            return
        folder = self._folder / f"iter_{number}"
        folder.mkdir(parents=True, exist_ok=True)
        write_pickle(folder / "model.pdparams", number)
        write_pickle(folder / "model.pdopt", number, lambda: kill_here(0, number, "save"))
        self._saved.append(folder)
        if len(self._saved) > PLAN.get("keep_checkpoint_max", 1000):
            shutil.rmtree(self._saved.pop(0))
        miou = self._miou_of(number)
        say(f"2026-11-23 00:13:10 [INFO]\t[EVAL] #Images: 4 mIoU: {miou:.4f} Acc: 0.0556 Kappa: 0.0037 Dice: 0.0083")
        if miou > self._best:
            self._best = miou
            (self._folder / "best_model").mkdir(exist_ok=True)
            write_pickle(self._folder / "best_model" / "model.pdparams", number, lambda: kill_here(0, number, "best"))
            say(
                f"2026-11-23 00:13:11 [INFO]\t[EVAL] The model with the best validation mIoU ({miou:.4f}) "
                f"was saved at iter {number}."
            )

    def _miou_of(self, number: int) -> float:
        at = -(-number // PLAN["save_interval"]) - 1
        mious = PLAN.get("mious")
        return float(mious[at] if mious else (at + 1) / 1000)


def write_pickle(path: Path, number: int, between: Callable[[], None] = lambda: None) -> None:
    """In two writes, in place, as paddle.save: whoever looks in between sees half a file."""
    data = pickle.dumps({"weights": bytes(1000), "iter": number}, protocol=4)
    with path.open("wb") as handle:
        handle.write(data[:500])
        handle.flush()
        between()
        handle.write(data[500:])


def resumed_iter(resume_from: str) -> int:
    """As paddleseg/utils/utils.py resume(): the number is what follows the last '_' of the path."""
    for name in ("model.pdparams", "model.pdopt"):
        path = Path(resume_from) / name
        if not path.exists():
            raise ValueError(f"Directory of the model needed to resume is not Found: {resume_from}")
        try:
            pickle.loads(path.read_bytes())
        except (pickle.UnpicklingError, EOFError):
            raise ValueError(f"`paddle.load` can not parse the file:{path}") from None
    return int(resume_from.rstrip("/").split("_")[-1])


def kill_here(rank: int, number: int, where: str) -> None:
    kills = PLAN.get("kill_at", [])
    if len(kills) >= ATTEMPT and kills[ATTEMPT - 1] == [rank, number, where]:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


def fail(how: dict[str, Any]) -> int:
    if "signal" in how:
        os.kill(os.getpid(), how["signal"])
        time.sleep(60)
    say("Traceback (most recent call last):", '  File "train.py", line 1, in <module>', how["text"])
    return int(how.get("exit", 1))


def launcher_main() -> int:
    log_dir = Path(os.environ["PADDLE_LOG_DIR"])
    log_dir.mkdir(parents=True, exist_ok=True)
    (log_dir / "envlog.0").write_text(repr(dict(os.environ)))
    ranks = [start_rank(rank, log_dir) for rank in range(PLAN.get("ranks", 4))]
    if not PLAN.get("ignore_term"):
        signal.signal(signal.SIGTERM, lambda *_: end(ranks, 15))
    code = wait_for(ranks)
    sys.stdout.write((log_dir / "workerlog.0").read_text())
    return int(PLAN.get("exit", code))


def start_rank(rank: int, log_dir: Path) -> subprocess.Popen[bytes]:
    with (log_dir / f"workerlog.{rank}").open("ab") as log:
        argv = [sys.executable, "-u", __file__, "--rank", str(rank), *sys.argv[1:]]
        return subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)


def wait_for(ranks: list[subprocess.Popen[bytes]]) -> int:
    while True:
        codes = [rank.poll() for rank in ranks]
        failed = [rank for rank, code in enumerate(codes) if code]
        if failed:
            say(f"LAUNCH ERROR Pod failed\nContainer rank {failed[0]} status failed cmd [...] code {codes[failed[0]]}")
            for process in ranks:
                process.kill()
            return 250 if (codes[failed[0]] or 0) < 0 else 241
        if all(code == 0 for code in codes) or PLAN.get("stay"):
            return 0
        time.sleep(0.01)


def end(ranks: list[subprocess.Popen[bytes]], code: int) -> None:
    for process in ranks:
        process.terminate()
    os._exit(code)


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rank", type=int)
    parser.add_argument("--resume_model")
    parser.add_argument("--iters", type=int, default=PLAN.get("iters", 4))
    args, _ = parser.parse_known_args()
    return launcher_main() if args.rank is None else rank_main(args.rank, args.resume_model, args.iters)


if __name__ == "__main__":
    if PLAN.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(main())
