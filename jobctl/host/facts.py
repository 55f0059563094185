"""What a host says of itself when the channel opens: cheap facts only (no process is started)."""

from __future__ import annotations

import os
import platform
import pwd
import socket
import sys
from typing import Any, Dict


def gather(root: str, program: str) -> Dict[str, Any]:
    """Facts as plain data."""
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
    }
