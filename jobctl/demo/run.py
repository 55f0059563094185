"""`jobctl demo`: the main job on this machine alone, with the commands that a user would give.

A small SSH server of our own stands for the host (`jobctl.demo.ssh_host`), twenty made pictures for Cityscapes, PyPI's
`paddleseg` for PaddleSeg's repository, and four processes on the CPU for four cards. Everything else is the real
thing: the template `deeplabv3p`, submit over SSH, PaddlePaddle's launcher, training with evaluation, export,
inference, pull.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from jobctl.demo.dataset import write_dataset
from jobctl.demo.ssh_host import SshHost
from jobctl.errors import HostError, InputError, JobFailed

Say = Callable[[str], None]

SAVE_DIR = "output/deeplabv3p_mobilenetv2"

# paddleseg 2.8.0 has no upper bounds of its own. numpy 2.4 makes paddle.flops raise after the training (exit code 1);
# the opencv-python that PaddleSeg asks for does not import with numpy 2. Seen to work together on Python 3.11, on the
# CPU.
_INSTALL = [
    [
        *("paddlepaddle==3.3.1", "numpy>=2,<2.4", "opencv-python-headless==4.11.0.86", "pyyaml", "tqdm", "filelock"),
        *("scipy", "prettytable", "scikit-learn", "six", "requests"),
    ],
    ["--no-deps", "paddleseg==2.8.0"],
]


def run_demo(folder: Path, say: Say, *, iters: int = 120) -> dict[str, Any]:
    """Everything stays below `folder`.

    Returns {"run_id", "results", "best_miou", "prediction", "input", "metrics", "records"}, paths as text.
    Raises JobFailed when the job does not succeed, HostError when the SSH server does not start, InputError.
    """
    if sys.platform != "linux":
        raise InputError("the demo's host is this machine, and a host must be Linux", value=sys.platform)
    folder = _own_folder(folder)
    env = {**os.environ, "JOBCTL_HOME": str(folder / "laptop" / "records")}
    say("making a small Cityscapes: 16 pictures to train on, 4 to evaluate")
    image = write_dataset(folder / "laptop" / "cityscapes")
    config = _write_config(folder, image, iters)
    with _ssh_host(folder, say) as host:
        inventory = _write_inventory(folder, host)
        run_id = _jobctl(["submit", str(config), "-i", str(inventory)], env, say)
        try:
            _jobctl(["logs", "-f", run_id], env, say, capture=False)
        except BaseException:  # Ctrl-C: nobody else could end what runs on this machine now
            _jobctl(["cancel", run_id], env, say, capture=False)
            say("demo stopped; nothing is left running. Again: jobctl demo (packages are kept)")
            raise
        status = json.loads(_jobctl(["status", run_id, "--json"], env, say))["data"]
        results = folder / "results" / run_id
        _jobctl(["pull", run_id, "--to", str(results)], env, say, capture=False)
    if status["state"] != "SUCCEEDED":
        raise JobFailed("the demo's job did not succeed", value=status.get("reason"), where=str(results / "logs"))
    return {
        "run_id": run_id,
        "results": str(results),
        "best_miou": status["progress"]["best_miou"],
        "prediction": str(_only(results.rglob("output/*.png"))),
        "input": str(image),
        "metrics": str(results / "metrics.jsonl"),
        "records": env["JOBCTL_HOME"],
    }


def evaluations(metrics: Path) -> list[tuple[int, float]]:
    """(iteration, mIoU) of each evaluation in a `metrics.jsonl`."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [(row["iter"], row["miou"]) for row in rows if row.get("kind") == "eval"]


def _own_folder(folder: Path) -> Path:
    """A new or empty folder, or that of an earlier demo. Raises InputError for anybody else's."""
    folder = folder.absolute()
    mark = folder / ".jobctl-demo"
    if folder.exists() and not mark.exists() and any(folder.iterdir()):
        raise InputError(
            "this folder is not empty, and not of an earlier demo",
            where=str(folder),
            next_command="jobctl demo --dir NEW_FOLDER",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise InputError(f"cannot write here: {error.strerror}", where=str(folder)) from None
    return folder


def _write_config(folder: Path, image: Path, iters: int) -> Path:
    code = folder / "laptop" / "paddleseg"
    _copy_tree(resources.files("jobctl.demo") / "paddleseg_tools", code)
    config = {
        "template": "deeplabv3p",
        "name": "demo",
        "values": {
            "device": "cpu",
            "cards": 4,
            "code": {"path": "paddleseg"},
            "data": {"path": "cityscapes"},
            "python": os.path.realpath(sys.executable),
            "install": _INSTALL,
            "env": {"OMP_NUM_THREADS": "1"},
            "config": "configs/deeplabv3p/deeplabv3p_mobilenetv2_x0_25_cityscapes_192x96.yml",
            "pretrained": {},
            "save_dir": SAVE_DIR,
            "iters": iters,
            "num_workers": 0,
            "save_interval": max(1, iters // 3),
            "start_timeout_s": 180,
            "start_attempts": 3,
            "infer_image": f"data/{image.relative_to(folder / 'laptop').as_posix()}",
        },
    }
    path = folder / "laptop" / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return path


def _copy_tree(source: Any, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if entry.name == "__pycache__":
            continue
        if entry.is_dir():
            _copy_tree(entry, target / entry.name)
        else:
            (target / entry.name).write_bytes(entry.read_bytes())


@contextmanager
def _ssh_host(folder: Path, say: Say) -> Iterator[SshHost]:
    """The demo's host, for as long as the block lasts."""
    say("starting an SSH server on 127.0.0.1, with keys of its own")
    argv = [sys.executable, "-m", "jobctl.demo.ssh_host", "--root", str(folder / "host")]
    # In a session of its own: Ctrl-C in the terminal is ours, and the host is still needed to end its run.
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stdin and server.stdout
        line = server.stdout.readline()
        if not line:
            raise HostError("the demo's SSH server did not start", next_command="pip install asyncssh 'plotext<6'")
        try:
            yield SshHost(**json.loads(line))
        finally:
            server.stdin.close()


def _write_inventory(folder: Path, host: SshHost) -> Path:
    fields = {key: value for key, value in asdict(host).items() if key != "home"}
    nothing = folder / "laptop" / "ssh_config"
    nothing.write_text("# empty: the demo does not depend on the user's own settings\n")
    text = yaml.safe_dump(
        {"hosts": {"demo-host": {**fields, "ssh_config": str(nothing)}}}, sort_keys=False, allow_unicode=True
    )
    path = folder / "laptop" / "inventory.yaml"
    path.write_text(text)
    return path


def _jobctl(args: list[str], env: dict[str, str], say: Say, *, capture: bool = True) -> str:
    """One command, as a user would give it; shown, and its output too, on standard error, unless it is wanted here."""
    say("$ " + shlex.join(["jobctl", *args]))
    done = subprocess.run(
        [sys.executable, "-m", "jobctl", *args], env=env, stdout=subprocess.PIPE if capture else sys.stderr, text=True
    )
    # 1 is a job that failed: its logs and results are shown all the same, and the end says so.
    if done.returncode not in (0, 1):
        raise JobFailed(f"jobctl {args[0]} ended with exit code {done.returncode}")
    return (done.stdout or "").strip()


def _only(paths: Iterator[Path]) -> Path | None:
    return next(iter(sorted(paths)), None)
