"""What a host says of itself when the channel opens: cheap facts only (no process is started)."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import socket
import sys
import time
from typing import Any, Dict


def gather(root: str, program: str) -> Dict[str, Any]:
    """Facts as plain data. `clock` is seconds since the epoch; sizes are bytes."""
    above = root
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    disk = shutil.disk_usage(above)
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a uid without an entry, as in containers
        user = str(os.getuid())
    return {
        "root": root,
        "program": program,
        "python": sys.executable,
        "python_version": platform.python_version(),
        "arch": platform.machine(),
        "hostname": socket.gethostname(),
        "user": user,
        "home": os.path.expanduser("~"),
        "clock": time.time(),
        "disk_free_bytes": disk.free,
        "disk_total_bytes": disk.total,
        "cpus": os.cpu_count(),
    }
