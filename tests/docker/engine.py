"""A real Docker Engine of the tests' own, on a host that is made up around it; and an image out of this machine.

The host is a mount namespace of this machine: the engine, an OpenSSH server and whoever logs in there see another /dev
(eight card nodes, which are copies of /dev/null), another /run (with the engine's socket at its usual place), another
/usr/local (a driver folder, the fake npu-smi) and another /etc (two accounts). Outside of it nothing of that exists.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.docker.image import write_root
from tests.sshd import Sshd, running_sshd

IMAGE = "jobctl-test/python:1"
CARDS = range(8)
OWNER, OWNER_ID = "trainer", 54321
"""May use the engine."""
GUEST, GUEST_ID = "guest", 54322
"""May not."""
DOCKER_GROUP_ID, CARD_GROUP_ID = 54310, 54311
_FAKE_SMI = Path(__file__).parents[1] / "host" / "fake_npu_smi.py"
_START_TIMEOUT_S = 60.0

_SETUP = """
set -eu
here=$1
mount --make-rprivate /
for place in etc usr/local; do
    mkdir -p "$here/over/$place" "$here/work/$place"
    mount -t overlay overlay -o "lowerdir=/$place,upperdir=$here/over/$place,workdir=$here/work/$place" "/$place"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
mkdir "$here/dev"
mount -t tmpfs -o mode=755,dev tmpfs "$here/dev"
mkdir "$here/dev/pts" "$here/dev/shm"
mount --rbind /dev/pts "$here/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$here/dev/shm"
ln -s /proc/self/fd "$here/dev/fd"
ln -s /proc/self/fd/0 "$here/dev/stdin"
ln -s /proc/self/fd/1 "$here/dev/stdout"
ln -s /proc/self/fd/2 "$here/dev/stderr"
ln -s pts/ptmx "$here/dev/ptmx"
node() { mknod -m "$4" "$here/dev/$1" c "$2" "$3"; }
node null 1 3 666; node zero 1 5 666; node full 1 7 666; node random 1 8 666; node urandom 1 9 666; node tty 5 0 666
shift
for card in "$@"; do node "davinci$card" 1 3 660; done
for shared in davinci_manager devmm_svm hisi_hdc; do node "$shared" 1 3 660; done
chgrp %(cards)d "$here"/dev/davinci* "$here/dev/devmm_svm" "$here/dev/hisi_hdc"
mount --move "$here/dev" /dev
exec dockerd --iptables=false --bridge=none --data-root "$here/data" --exec-root "$here/exec" \\
    --pidfile "$here/pid" --host unix:///run/docker.sock --group %(docker)d %(options)s
"""


class Engine:
    """The engine, and the host that it runs on. `folder` is open to all accounts."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._process = process

    @property
    def inside(self) -> list[str]:
        """What goes before a command that is to run on that host."""
        return ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", "--"]

    def docker(self, *args: str) -> str:
        """The engine's own client, as root; what it prints."""
        done = subprocess.run([*self.inside, "docker", *args], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"docker {args}: {done.stderr}"
        return done.stdout

    def containers(self) -> list[str]:
        """Names of all containers, also of those that have ended or never begun."""
        return self.docker("ps", "--all", "--format", "{{.Names}}").split()


@contextmanager
def running_engine(options: str = "") -> Iterator[Engine]:
    """An engine with the test image, on a host with eight cards; stopped at the end, with all that it ran."""
    folder = Path(tempfile.mkdtemp(prefix="jobctl-docker-"))
    folder.chmod(0o755)
    _furnish(folder)
    setup = _SETUP % {"cards": CARD_GROUP_ID, "docker": DOCKER_GROUP_ID, "options": options}
    with (folder / "dockerd.log").open("wb") as log:
        argv = ["unshare", "--mount", "bash", "-c", setup, "setup", str(folder), *map(str, CARDS)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    engine = Engine(folder, process)
    try:
        tar = folder / "root.tar"
        write_root(tar)
        _await_start(engine, process)
        engine.docker("import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", str(tar), IMAGE)
        tar.unlink()
        yield engine
    finally:
        _stop(folder, process)


def _furnish(folder: Path) -> None:
    """What the overlays of /etc and /usr/local add."""
    etc, local = folder / "over/etc", folder / "over/usr/local"
    for place in (etc, local / "bin", local / "Ascend/driver/lib64", local / "dcmi"):
        place.mkdir(parents=True)
    accounts = {OWNER: OWNER_ID, GUEST: GUEST_ID}
    homes = {name: folder / f"home-{name}" for name in accounts}
    rows = [f"{name}:x:{number}:{number}::{homes[name]}:/bin/bash" for name, number in accounts.items()]
    groups = [f"{name}:x:{number}:" for name, number in accounts.items()]
    groups += [f"jobctl-docker:x:{DOCKER_GROUP_ID}:{OWNER}", f"HwHiAiUser:x:{CARD_GROUP_ID}:"]
    shadow = [f"{name}:*:19000:0:99999:7:::" for name in accounts]
    for name, more in (("passwd", rows), ("group", groups), ("shadow", shadow)):
        shutil.copy2(f"/etc/{name}", etc / name)
        with (etc / name).open("a") as handle:
            handle.write("".join(line + "\n" for line in more))
    for name, home in homes.items():
        home.mkdir()
        os.chown(home, accounts[name], accounts[name])
    (local / "Ascend/driver/version.info").write_text("Version=24.1.0\n")
    (local / "bin/npu-smi").write_text("#!/usr/bin/env python3\n" + _FAKE_SMI.read_text())
    (local / "bin/npu-smi").chmod(0o755)
    (local / "bin/cards.json").write_text(json.dumps({"cards": list(CARDS), "processes": {}}))


def _await_start(engine: Engine, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while True:
        asked = subprocess.run([*engine.inside, "docker", "version"], capture_output=True)
        if asked.returncode == 0:
            return
        log = (engine.folder / "dockerd.log").read_text(errors="replace")
        assert process.poll() is None and time.monotonic() < end, f"dockerd did not start:\n{log[-3000:]}"
        time.sleep(0.05)


def _stop(folder: Path, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)  # ends its containers, and its containerd
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_login(engine: Engine, user: str) -> Iterator[Sshd]:
    """An OpenSSH server on the engine's host, by which `user` logs in."""
    folder = Path(tempfile.mkdtemp(prefix="ssh-", dir=engine.folder))
    folder.chmod(0o755)
    with running_sshd(folder, user=user, prefix=engine.inside) as server:
        owner = {OWNER: OWNER_ID, GUEST: GUEST_ID}[user]
        os.chown(server.home, owner, owner)
        yield server
