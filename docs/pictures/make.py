"""Makes the pictures of the README out of a real run. Nothing in them is drawn by hand.

    python docs/pictures/make.py CLONE_OF_PADDLESEG FOLDER

An OpenSSH server on 127.0.0.1 stands for the host. The commands are typed into a terminal (tmux), as a user would type
them; what is on the screen becomes SVG. It takes about four minutes. FOLDER is new, or holds no more than `host` of
an earlier time, with its environment. Needs sshd and tmux; CLONE_OF_PADDLESEG has the branch npu_cann8.0.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CONFIG, INVENTORY = "configs/deeplabv3p_cpu_small.yaml", "inventories/lab.yaml"
COLUMNS, ROWS = 112, 60
PATIENCE_S = 900.0

sys.path.insert(0, str(ROOT))

from tests.sshd import running_sshd  # noqa: E402 (the tests' server, from the source tree)


class Screen:
    """A terminal of its own in which commands are typed."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        env = {**os.environ, "JOBCTL_HOME": str(folder / "records"), "PATH": f"{_bin()}:{os.environ['PATH']}"}
        env.pop("TMUX", None)
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        shell = ["env", "PS1=$ ", "TERM=xterm-256color", "bash", "--norc", "--noprofile"]
        self._tmux("new-session", "-d", "-c", str(folder), *size, *shell, env=env)
        self.env = env
        _wait_for(lambda: self.lines() == ["$"])

    def type(self, command: str) -> None:
        """Type a line and wait until its prompt is back."""
        before = self.lines()
        self._tmux("send-keys", "-l", command)
        self._tmux("send-keys", "Enter")
        _wait_for(lambda: self.lines() != before and self.lines()[-1] == "$")

    def lines(self) -> list[str]:
        """The lines on the screen, colours left out, without the empty ones below."""
        return self._tmux("capture-pane", "-p").rstrip("\n ").splitlines() or [""]

    def save(self, name: str, title: str) -> None:
        """The screen as a picture, without the last prompt; then it is cleared."""
        self._draw(name, title, self._tmux("capture-pane", "-p", "-e").rstrip("\n ").splitlines()[:-1])
        self._tmux("send-keys", "C-l")
        _wait_for(lambda: self.lines() == ["$"])

    def _draw(self, name: str, title: str, coloured: list[str]) -> None:
        text = Text.from_ansi("\n".join(coloured) + "\n")  # rich clips the underscores of the last line
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True)
        console.print(text, soft_wrap=True)
        console.save_svg(str(HERE / name), title=title, theme=MONOKAI, unique_id=name.partition(".")[0])

    def watch(self, name: str, title: str) -> None:
        """`jobctl watch` as it stands once all has been told, then it is left."""
        self._tmux("send-keys", "-l", "clear; jobctl watch")
        self._tmux("send-keys", "Enter")
        _wait_for(lambda: "the run is over" in self._tmux("capture-pane", "-p"))
        time.sleep(1.0)  # the screen draws four times a second
        self._draw(name, title, self._tmux("capture-pane", "-p", "-e").splitlines())
        self._tmux("send-keys", "q")
        _wait_for(lambda: self.lines()[-1] == "$")
        self._tmux("send-keys", "C-l")
        _wait_for(lambda: self.lines() == ["$"])

    def close(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *args: str, env: dict[str, str] | None = None) -> str:
        argv = ["tmux", "-S", self._socket, *args]
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout


def _bin() -> Path:
    return Path(sys.executable).parent


def _wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit("it did not happen within the time")
        time.sleep(0.3)


def make_folder(folder: Path, clone: Path, inventory: str) -> None:
    """What a user has: the example files, with a host and the place of PaddleSeg put in, and a small dataset."""
    subprocess.run([str(_bin() / "jobctl"), "init", str(folder)], check=True, capture_output=True)
    (folder / INVENTORY).write_text(inventory)
    config = folder / CONFIG
    config.write_text(config.read_text().replace("https://github.com/PaddlePaddle/PaddleSeg, ref", f"{clone}, ref"))
    dataset = [sys.executable, "-m", "jobctl.demo.dataset", str(folder / "cityscapes-small"), "--polygons"]
    subprocess.run(dataset, check=True, cwd=ROOT)


def take_pictures(screen: Screen, folder: Path) -> Path:
    """Submit, look, pull, and a mistake; the results' folder."""
    screen.type(f"jobctl submit {CONFIG} -i {INVENTORY}")
    _wait_for(lambda: (_status(screen, folder)["progress"] or {}).get("iter", 0) >= 130)
    screen.type("jobctl ps")
    screen.type("jobctl status")
    screen.save("training.svg", "submitted; the laptop may sleep now")
    _wait_for(lambda: _status(screen, folder)["state"] == "SUCCEEDED")
    screen.type("jobctl logs --stage train | grep -e TRAIN -e mIoU | tail -n 6 | cut -c 1-98")
    screen.watch("watch.svg", "jobctl watch")
    screen.type("jobctl pull")
    screen.save("results.svg", "the results, on the laptop")
    screen.type(f"jobctl submit {CONFIG} -i {INVENTORY} --set lerning_rate=0.1")
    screen.type(f"jobctl submit {CONFIG} -i {INVENTORY} --set data.path=/data/cityscpaes")
    screen.save("mistake.svg", "a mistake is answered before anything is sent")
    return folder / "results" / _status(screen, folder)["run_id"]


def _status(screen: Screen, folder: Path) -> dict[str, object]:
    argv = [str(_bin() / "jobctl"), "status", "--json"]
    answer = subprocess.run(argv, env=screen.env, cwd=folder, check=True, capture_output=True, text=True).stdout
    data: dict[str, object] = json.loads(answer)["data"]
    return data


def compose(folder: Path, results: Path) -> None:
    """Input, label and prediction side by side. Drawn with the run's own environment, which has Pillow."""
    python = json.loads((results / "environment.json").read_text())["path"] + "/bin/python"
    prediction = next((results / "output").glob("*.png"))
    stem = prediction.name.removesuffix("_leftImg8bit.png")
    image = next(folder.glob(f"cityscapes-small/leftImg8bit/val/*/{prediction.name}"))
    labels = folder / "host" / "runs" / results.name / "code" / "data" / "cityscapes" / "gtFine" / "val"
    label = next(labels.glob(f"*/{stem}_gtFine_labelTrainIds.png"))
    argv = [python, str(HERE / "compose.py"), *map(str, (image, label, prediction, HERE / "prediction.png"))]
    subprocess.run(argv, check=True)


def main() -> None:
    """Run the job, take the pictures."""
    clone, folder = (Path(word).absolute() for word in sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    with running_sshd(folder / "sshd") as server:
        make_folder(folder, clone, server.inventory("lab-a", work_dir=str(folder / "host")))
        screen = Screen(folder)
        try:
            compose(folder, take_pictures(screen, folder))
        finally:
            screen.close()


if __name__ == "__main__":
    main()
