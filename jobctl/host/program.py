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
    return argv_in_image(sys.executable or "python3", *arguments)


def argv_in_image(python: str, *arguments: str) -> List[str]:
    """The same for another Python, such as a container's, where `import_root` has the same path."""
    words = [python] + _PYTHON_FLAGS
    root = import_root()
    if root.is_file():
        return words + [str(root)] + list(arguments)
    return words + ["-c", _RUN_FOLDER, str(root), __package__ or ""] + list(arguments)


def import_root() -> Path:
    """Where this code was imported from: the zipapp, or a folder."""
    return Path(__file__).parents[__name__.count(".")]
