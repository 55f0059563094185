"""Where jobctl keeps what it remembers, and where templates and examples are found."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from jobctl.errors import InputError

_LARGEST_CHARS = 16 << 20
"""A lock with a thousand resolutions of a hundred packages has 11 million."""


def home() -> Path:
    """Records of runs, and caches. `JOBCTL_HOME` overrides the platform's place."""
    if override := os.environ.get("JOBCTL_HOME"):
        return Path(override).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("jobctl"))


def shipped(kind: str) -> Path:
    """The folder `templates`, `inventories` or `configs` that came with jobctl.

    In the wheel, or beside a source tree.
    """
    inside = Path(str(resources.files("jobctl"))) / "shipped" / kind
    return inside if inside.is_dir() else Path(str(resources.files("jobctl"))).parent / kind


def template_folders(near: Path) -> Iterator[Path]:
    """Where a template is looked for, nearest first: `templates/` beside the config and above it, here, and ours."""
    yield near / "templates"
    yield near.parent / "templates"
    yield Path.cwd() / "templates"
    yield shipped("templates")


def read_template(name: str, near: Path) -> tuple[Path, dict[str, bytes]]:
    """The files of a template: relative path -> content. Raises InputError with the names there are."""
    names: set[str] = set()
    for folder in template_folders(near):
        if (folder / name / "template.yaml").is_file() and "/" not in name and name not in (".", ".."):
            return folder / name, _read_files(folder / name)
        names.update(path.parent.name for path in folder.glob("*/template.yaml"))
    close = difflib.get_close_matches(name, names, n=1)
    raise InputError(
        f"there is no template {name!r}",
        value=name,
        hint=(f"did you mean {close[0]!r}? " if close else "")
        + f"templates here: {', '.join(sorted(names)) or 'none'}",
        next_command="jobctl init",
    )


def _read_files(folder: Path) -> dict[str, bytes]:
    files = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and "__pycache__" not in relative:
            files[relative] = path.read_bytes()
    return files


def read_text(path: Path, what: str) -> str:
    """A file that the user named. Raises InputError where it cannot be read, for a folder, and for what has no end."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST_CHARS + 1)
    except FileNotFoundError:
        raise _no_such_file(path, what) from None
    except UnicodeDecodeError as error:
        raise InputError(f"the {what} file is not UTF-8 text", where=str(path), value=str(error)) from None
    except OSError as error:
        raise InputError(f"cannot read the {what} file: {error.strerror}", where=str(path)) from None
    if len(text) > _LARGEST_CHARS:
        raise InputError(f"the {what} file is larger than {_LARGEST_CHARS} characters", where=str(path))
    return text


def _no_such_file(path: Path, what: str) -> InputError:
    there = [entry.name for entry in path.absolute().parent.glob("*.y*ml")]
    close = difflib.get_close_matches(path.name, there, n=1)
    shipped_same = shipped(f"{what}s" if what == "config" else "inventories") / path.name
    if close:
        return InputError(f"no such {what} file", where=str(path), hint=f"did you mean {path.with_name(close[0])}?")
    hint = f"an example of this name came with jobctl: {shipped_same}" if shipped_same.is_file() else ""
    return InputError(f"no such {what} file", where=str(path), hint=hint, next_command="jobctl init")
