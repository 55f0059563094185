"""A dataset for eight hosts over a thin uplink: from host to host, against eight uploads, and against one host."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.links import Cluster, Node, Unavailable, cluster
from benchmarks.measure import JOBCTL, in_turns, median_ms, run
from benchmarks.table import Row

HOSTS, UPLINK_MBIT, BETWEEN_MBIT = 8, 200, 1000
FILES, FILE_BYTES = 100, 2_000_000
GROUP = f"200 MB to {HOSTS} hosts, uplink {UPLINK_MBIT} Mbit/s, {BETWEEN_MBIT / 1000:g} Gbit/s between hosts (tc tbf)"
DIRECT, ONE, RELAY = (
    f"{HOSTS} direct uploads (scp, all at once)",
    "jobctl send, one host",
    f"jobctl send, {HOSTS} hosts",
)


def measure(turns: int, folder: Path) -> list[Row]:
    """One group."""
    write_data(folder / "data")
    write_job(folder)
    try:
        with cluster(folder, HOSTS, uplink_mbit=UPLINK_MBIT, between_mbit=BETWEEN_MBIT) as lab:
            write_inventory(folder, lab)

            def forget(_: str) -> None:
                for node in lab.hosts:
                    shutil.rmtree(folder / "work" / node.name, ignore_errors=True)
                    (folder / "work" / node.name).mkdir(parents=True)

            rivals = {
                DIRECT: lambda: copy_to_all(folder, lab),
                ONE: lambda: send(folder, lab, "--host", lab.hosts[0].name),
                RELAY: lambda: send(folder, lab),
            }
            forget("")
            seconds = in_turns(rivals, turns, between=forget, warm_up=False)
    except Unavailable as error:
        print(f"not measured: {GROUP}: {error}", file=sys.stderr)
        return []
    base = median_ms(seconds[DIRECT])
    return [Row(name, median_ms(all_s), median_ms(all_s) / base, group=GROUP) for name, all_s in seconds.items()]


def send(folder: Path, lab: Cluster, *words: str) -> None:
    """`jobctl send` on the laptop."""
    argv = [*lab.laptop, JOBCTL, "send", str(folder / "job.yaml"), "-i", str(folder / "inventory.yaml"), *words]
    run(argv, JOBCTL_HOME=str(folder / "laptop"))


def copy_to_all(folder: Path, lab: Cluster) -> None:
    """What a user would write: a loop with `&` in it."""
    copies = [subprocess.Popen([*lab.laptop, *scp(folder, node)], stdin=subprocess.DEVNULL) for node in lab.hosts]
    if any(copy.wait() for copy in copies):
        raise RuntimeError("scp failed")


def scp(folder: Path, node: Node) -> list[str]:
    sshd = node.sshd
    options = [f"UserKnownHostsFile={sshd.known_hosts}", "BatchMode=yes", "Ciphers=aes128-gcm@openssh.com"]
    words = [word for option in options for word in ("-o", option)]
    argv = ["scp", "-q", "-r", "-F", "none", "-i", str(sshd.identity), "-P", str(sshd.port), *words]
    return [*argv, str(folder / "data"), f"{sshd.user}@{node.address}:{folder / 'work' / node.name}/"]


def write_data(folder: Path) -> None:
    folder.mkdir()
    drawn = random.Random(1)
    for number in range(FILES):
        (folder / f"{number:03}.png").write_bytes(drawn.randbytes(FILE_BYTES))


def write_job(folder: Path) -> None:
    """A job that has the data and does nothing."""
    (folder / "code").mkdir()
    (folder / "code" / "readme").write_text("nothing\n")
    shutil.copytree(Path(__file__).parent / "job" / "templates", folder / "templates")
    values = {"code": str(folder / "code"), "data": str(folder / "data")}
    (folder / "job.yaml").write_text(json.dumps({"template": "quick", "values": values}))


def write_inventory(folder: Path, lab: Cluster) -> None:
    hosts = {}
    for node in lab.hosts:
        host = json.loads(node.sshd.inventory("box"))["hosts"]["box"]
        hosts[node.name] = {**host, "work_dir": str(folder / "work" / node.name)}
    (folder / "inventory.yaml").write_text(json.dumps({"hosts": hosts}))
