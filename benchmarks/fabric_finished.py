"""What people write with fabric to see a job through: pack the code, put it, unpack it, run, get the log.

python -m benchmarks.fabric_finished PORT USER IDENTITY CODE FOLDER_ON_HOST

The data are there already: it does not look. Host keys are not checked, which is fabric's default.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
import time
from pathlib import Path

from fabric import Connection


def main(port: str, user: str, identity: str, code: str, work: str) -> None:
    """Until the log is here."""
    run = f"{work}/runs/run-{time.time_ns()}"
    with (
        Connection("127.0.0.1", user=user, port=int(port), connect_kwargs={"key_filename": identity}) as host,
        tempfile.TemporaryDirectory() as folder,
    ):
        packed = Path(folder) / "code.tar.gz"
        with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
            tar.add(code, "code", filter=lambda info: None if ".git" in info.name.split("/") else info)
        host.run(f"mkdir -p {run}", hide=True)
        host.put(str(packed), f"{run}/code.tar.gz")
        host.run(f"cd {run} && tar xzf code.tar.gz && cd code && echo done >../log 2>&1", hide=True)
        host.get(f"{run}/log", str(Path(folder) / "log"))


if __name__ == "__main__":
    main(*sys.argv[1:6])
