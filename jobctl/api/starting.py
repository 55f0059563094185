"""A first folder for a newcomer: an inventory, configs and the templates, copied from what came with jobctl."""

from __future__ import annotations

import shutil
from pathlib import Path

from jobctl.errors import InputError
from jobctl.laptop.places import shipped

_KINDS = ("inventories", "configs", "templates")


def init(folder: str | Path = ".") -> list[Path]:
    """Write them below `folder`.

    Returns the new files. Raises InputError, and writes nothing, where one is there already.
    """
    target = Path(folder)
    pairs = [
        (source, target / kind / source.relative_to(shipped(kind)))
        for kind in _KINDS
        for source in sorted(shipped(kind).rglob("*"))
        if source.is_file() and "__pycache__" not in source.parts
    ]
    for _, there in pairs:
        if there.exists():
            raise InputError(
                "a file is there already; nothing was written", where=str(there), next_command="jobctl init NEW_FOLDER"
            )
    try:
        for source, there in pairs:
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, there)
    except OSError as error:
        raise InputError(f"cannot write here: {error.strerror}", where=str(error.filename or target)) from None
    return [there for _, there in pairs]
