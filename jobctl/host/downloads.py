"""Files that stages download, put where they look first: `datasets/.downloads` below the work_dir."""

from __future__ import annotations

import hashlib
import os


def store_name(url: str) -> str:
    """The name of a download there. The template deeplabv3p's `fetch.py` has the same rule."""
    return hashlib.sha256(url.encode()).hexdigest()[:16] + "-" + os.path.basename(url.split("?")[0])
