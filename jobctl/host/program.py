"""How the host program starts another process of itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List

# Isolated (-I): neither PYTHONPATH nor the user's site-packages can break the supervisor. UTF-8 whatever the locale of
# the login says, so that paths with any letters are the same bytes for all of us.
# Without `site` (-S): nothing outside the standard library is used, and it is a third of the start.
_PYTHON_FLAGS = ["-I", "-S", "-X", "utf8"]
_RUN_FOLDER = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def argv_of(*arguments: str) -> List[str]:
    """argv that runs this program with `arguments`: from the zipapp that this code came from, or from the folder."""
    import_root = Path(__file__).parents[__name__.count(".")]
    python = [sys.executable or "python3"] + _PYTHON_FLAGS
    if import_root.is_file():
        return python + [str(import_root)] + list(arguments)
    return python + ["-c", _RUN_FOLDER, str(import_root), __package__ or ""] + list(arguments)
