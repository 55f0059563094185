"""A host of its own within this machine: another /etc, /usr/local, /dev, /run and /tmp, processes of its own, a user
alice, a real sshd, and, where it is asked for, another network. What is broken in it is broken for nobody else, and all
that runs in it ends with it. Needs root.

Real: sshd, users and groups, file rights, mounts, limits, routes, the Docker Engine. Stubs (tests/checks/stubs, each
says what it imitates): what needs Ascend hardware, a time server, a restart or a package mirror, and sudo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sshd import Sshd

HERE = Path(__file__).parent
USER = "alice"
OVERLAID = ("/etc", "/usr/local", "/dev")
PYTHON = "/usr/bin/python3"
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
INIT = "while :; do sleep 1000 & wait $!; done"
"""Process 1: bash takes in what has lost its parent."""
INSTALLERS = (
    "Ascend-hdk-910b-npu-driver_23.0.3_linux-x86_64.run",
    "Ascend-hdk-910b-npu-driver_25.2_linux-x86_64.run",
    "Ascend-hdk-910b-npu-firmware_7.5.0.1.129.run",
    "Ascend-cann-toolkit_8.0.RC1_linux-x86_64.run",
)


class House:
    """`as_root` runs shell lines inside; `as_user` runs one over SSH as alice, as a remedy is given."""

    def __init__(self, base: Path, network: str | None = None) -> None:
        self.base = base
        self.lease_dir = base / "leases"
        self.work_dir = base / "work"
        self.network = network
        self._holder = subprocess.Popen(["unshare", *NAMESPACES, "bash", "-c", INIT])
        self.inside = ["nsenter", "--mount", "--pid", f"--target={self._first_process()}"]
        if network:
            self.inside.append(f"--net=/run/netns/{network}")
        self.sshd: Sshd | None = None

    def _first_process(self) -> int:
        """The pid, out here, of the process 1 in there, once it runs."""
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        while self._holder.poll() is None:
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text() == "bash\n":
                    return int(child)
            time.sleep(0.01)
        pytest.skip("this machine does not let its root make namespaces")

    def build(self) -> None:
        """Raises CalledProcessError where this machine does not let its root do that."""
        over = self.base / "over"
        self.as_root(f"mkdir {over} && mount -t tmpfs tmpfs {over}")
        for path in OVERLAID:
            upper, work = over / f"upper{path.replace('/', '-')}", over / f"work{path.replace('/', '-')}"
            options = f"lowerdir={path},upperdir={upper},workdir={work}"
            self.as_root(f"mkdir {upper} {work} && mount -t overlay -o {options} overlay {path}")
        self.as_root("mkdir -p /dev/shm && mount -t tmpfs -o size=16g,mode=1777 tmpfs /dev/shm")
        self.as_root("mount -t tmpfs -o mode=1777 tmpfs /tmp; mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/sshd")
        self.as_root(f"groupadd HwHiAiUser && useradd --no-create-home --home-dir {self.base}/sshd/home {USER}")
        self.as_root(f"usermod -p '*' -aG HwHiAiUser {USER}")  # '!' would be an account that is locked
        self._stubs()
        self.as_root("reboot")
        self.as_root(f"install -d -m 1777 {self.lease_dir} && install -d -o {USER} {self.work_dir}")

    def _stubs(self) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("a sudo for the test's own host needs a C compiler: sudo apt-get install -y gcc libc6-dev")
        sudo = self.base / "sudo"
        subprocess.run([compiler, "-O1", "-o", str(sudo), str(HERE / "stubs" / "sudo.c")], check=True)
        self.as_root(f"install -o root -m 4755 {sudo} /usr/local/bin/sudo")
        for stub in sorted((HERE / "stubs").iterdir()):
            if stub.suffix == "":
                self.as_root(f"install -m 755 {stub} /usr/local/bin/{stub.name}")
        self.as_root("mkdir -p /usr/local/share/npu-smi /usr/local/share/hccn && chmod 777 /usr/local/share")
        self.as_root(f"install -m 644 {HERE}/data/npu_smi_info.txt /usr/local/share/npu-smi/info")
        self.as_root(f"touch /usr/local/share/npu-smi/mapping; mkdir -p {self.base}/installers")
        for name in INSTALLERS:
            self.as_root(f"install -m 755 {HERE}/stubs/installer.run {self.base}/installers/{name}")

    def install_ascend(self, driver: str = "24.1.rc3", firmware: str = "7.5.0.1.129", cann: str = "8.2.rc1") -> None:
        """A driver, a firmware and a CANN that go together, by their stub installers."""
        names = (
            f"hdk-910b-npu-driver_{driver}_linux-x86_64",
            f"hdk-910b-npu-firmware_{firmware}",
            f"cann-toolkit_{cann}_linux-x86_64",
        )
        copies = [
            f"cp {HERE}/stubs/installer.run /tmp/Ascend-{name}.run && sh /tmp/Ascend-{name}.run" for name in names
        ]
        self.as_root("; ".join(copies))

    def mend(self) -> None:
        """What Ascend has left on the host is as it was at first, whatever a test did that failed."""
        self.as_root(f"install -m 644 {HERE}/data/npu_smi_info.txt /usr/local/share/npu-smi/info")
        self.as_root("rm -rf /usr/local/Ascend /usr/local/share/hccn/*")
        self.install_ascend()
        self.as_root("chmod 1777 /tmp; reboot")

    def serve(self, options: Sequence[str] = (), address: str = "127.0.0.1") -> None:
        """Start the sshd; with other `options` it is started anew."""
        self.stop_serving()
        shutil.rmtree(self.base / "sshd", ignore_errors=True)
        self.sshd = Sshd(self.base / "sshd", options, user=USER, prefix=self.inside, address=address)
        self.as_root(f"chown {USER}: {self.sshd.home} && chmod 755 {self.base} {self.base}/sshd")
        for name in INSTALLERS:
            self.as_root(f"cp {self.base}/installers/{name} {self.sshd.home}/")
        self.sshd.start()

    def stop_serving(self) -> None:
        if self.sshd:
            self.sshd.stop()
            self.sshd = None

    def as_root(self, line: str) -> str:
        """A line of shell, inside. Raises CalledProcessError."""
        path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        argv = [*self.inside, "env", f"PATH={path}", "sh", "-euc", line]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout

    def as_user(self, line: str) -> subprocess.CompletedProcess[str]:
        """What the user types at the host after `ssh`: in the home folder, by the login shell."""
        assert self.sshd is not None
        host = self.sshd.host()
        options = ("BatchMode=yes", f"UserKnownHostsFile={host.known_hosts}", "GlobalKnownHostsFile=none")
        argv = ["ssh", "-F", "none", "-p", str(host.port), "-i", str(host.identity_file)]
        argv += [word for option in options for word in ("-o", option)]
        argv += [f"{USER}@{host.address}", "cd; " + line]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    def inventory(self, name: str = "box", **fields: object) -> str:
        assert self.sshd is not None
        known: dict[str, object] = {"python": PYTHON, "work_dir": str(self.work_dir), "lease_dir": str(self.lease_dir)}
        return self.sshd.inventory(name, **{**known, **fields})

    def close(self) -> None:
        self.stop_serving()
        self._holder.kill()
        self._holder.wait()


@contextmanager
def house(network: str | None = None) -> Iterator[House]:
    """Skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("a host with mounts and users of its own needs root")
    if not os.path.exists(PYTHON):
        pytest.skip(f"its user needs a Python that all may use: {PYTHON}")
    base = Path(tempfile.mkdtemp(prefix="jobctl-house-", dir="/var/tmp"))  # /tmp is another one inside
    base.chmod(0o755)
    made = House(base, network)
    try:
        try:
            made.build()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine does not let its root make such a host: {error.cmd[-1]}: {error.stderr}")
        yield made
    finally:
        made.close()
        shutil.rmtree(base, ignore_errors=True)
