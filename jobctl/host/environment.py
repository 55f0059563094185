"""The builtin step `@host environment`: the run's venv, built once for all runs that want the same.

A venv cannot be moved, so it is built in its place, `environments/<fingerprint>`; it is complete when its marker is in
it, and what has no marker is swept away before the next build. One builds at a time, others wait.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional, Set

from . import surroundings
from .builtin import BuiltinError, run_builtin, say
from .files import Json, read_json, write_json
from .fingerprint import make_fingerprint, packages_digest
from .locked import Call, make_calls
from .locks import open_lock_file, try_lock
from .names import IMAGE_VARIABLE, WHEELS
from .nightly import find_mismatch
from .pip_arguments import uses_code_tree
from .pip_words import explain_pip, hide_credentials, last_line

MARKER = "jobctl-environment.json"
_ASK_PYTHON = "import json,sys;print(json.dumps([sys.executable,sys.version,sys.implementation.cache_tag]))"
_PIP_OPTIONS = ["--disable-pip-version-check", "--no-input"]
# They would send what pip installs elsewhere than into the venv, or make packages outside it count as installed.
_DROPPED = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME")
_TAIL_CHARS = 200000


def main(root: Path, run_dir: Path) -> int:
    """Build or find the environment of `run_dir`'s job, write its environment.json. 0, or 1 with the reason printed."""
    job = read_json(run_dir / "job.json") or {}
    return run_builtin("the environment", lambda: write_json(run_dir / "environment.json", provide(root, run_dir, job)))


def provide(root: Path, run_dir: Path, job: Json) -> Json:
    """{path, fingerprint, python, versions} of the environment that `job` wants. Raises BuiltinError, OSError."""
    code, spec = run_dir / "code", job.get("environment") or {}
    python = ask_python(spec.get("python") or "python3")
    source = job.get("code") or {}
    name = make_fingerprint(spec, python, code, run_dir.name, source.get("tree") or source.get("commit"))
    place = root / "environments" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if uses_code_tree(spec.get("install") or [], code):
        say("this environment is for this code alone: it installs from the code tree")
    lock = _lock(place)
    try:
        marker = read_json(place / MARKER)
        if marker is None:
            marker = _build(place, spec, python, code, run_dir)
        else:
            say("environment {} is there already, built {}".format(name, _when(marker.get("built_at"))))
        if marker.get("verified") != (spec.get("verify") or []):
            _verify(place, spec, code)
            marker.update(verified=spec.get("verify") or [], verified_at=round(time.time(), 3))
        marker["used_at"] = round(time.time(), 3)
        write_json(place / MARKER, marker)
    finally:
        os.close(lock)
    return {"path": str(place), "fingerprint": name, "python": python, "versions": marker["versions"]}


def ask_python(python: str) -> Json:
    """{executable, version, tag, arch} of an interpreter here. Raises BuiltinError."""
    path = shutil.which(os.path.expanduser(python))
    if path is None:
        raise BuiltinError("{!r} is not on this host; there is {}".format(python, _pythons()))
    done = subprocess.run([path, "-I", "-c", _ASK_PYTHON], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        executable, version, tag = json.loads(done.stdout.decode("utf-8", "replace"))
    except ValueError:
        said = done.stdout.decode("utf-8", "replace").strip()[-300:]
        raise BuiltinError("{} does not run: {}".format(path, said)) from None
    found = {"executable": executable, "version": version.split()[0], "tag": tag, "arch": platform.machine()}
    image = os.environ.get(IMAGE_VARIABLE)  # a venv is links into the image that its Python is from
    return dict(found, image=image) if image else found


def _pythons() -> str:
    found: Set[str] = set()
    for folder in os.get_exec_path():
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        found.update(name for name in names if name.startswith("python") and name[6:].replace(".", "").isdigit())
    return ", ".join(sorted(found)) or "no Python at all on PATH"


def _lock(place: Path) -> int:
    descriptor = open_lock_file(place.with_name(place.name + ".lock"))
    said = False
    while not try_lock(descriptor):
        if not said:
            say("waiting for another run that builds the same environment, {}".format(place.name))
            said = True
        time.sleep(0.2)
    return descriptor


def _build(place: Path, spec: Json, python: Json, code: Path, run_dir: Path) -> Json:
    if place.exists():
        say("removing an environment that was never finished")
        shutil.rmtree(str(place))
    begun = time.monotonic()
    say("building environment {} with Python {}".format(place.name, python["version"]))
    try:
        make_venv(place, python)
        _install(place, spec, python, code, run_dir)
        versions = _versions(place)
        mismatch = find_mismatch(versions)
        if mismatch:
            raise BuiltinError("{}; {}".format(*mismatch))
        _verify(place, spec, code)
        now = round(time.time(), 3)
        marker = {
            "built_at": now,
            "python": python,
            "install": json.loads(hide_credentials(json.dumps(spec.get("install") or []))),
            "packages": packages_digest(spec["lock"]) if spec.get("lock") else None,
            "verified": spec.get("verify") or [],
            "verified_at": now,
            "versions": versions,
        }
        write_json(place / MARKER, marker)
    except BaseException:
        shutil.rmtree(str(place), ignore_errors=True)
        raise
    say("environment {} is ready after {:.0f} s".format(place.name, time.monotonic() - begun))
    return marker


def _install(place: Path, spec: Json, python: Json, code: Path, run_dir: Path) -> None:
    install = [[str(word) for word in arguments] for arguments in spec.get("install") or []]
    lock, wheels = spec.get("lock"), run_dir / WHEELS
    offline = wheels.is_dir()
    calls = [Call(arguments, None) for arguments in install]
    if lock:
        calls = make_calls(install, lock, code, wheels if offline else None, place)
    environ = without_index_settings(clean_environ()) if offline else clean_environ()
    for call in calls:
        if call.file:
            (place / call.file[0]).write_text(call.file[1])
        argv = [str(place / "bin" / "python"), "-m", "pip", "install"] + _PIP_OPTIONS + call.arguments
        exit_code, output = run_shown(argv, code, environ)
        if exit_code != 0:
            what = "Python {}, {}".format(python["version"], python["arch"])
            raise BuiltinError(explain_pip(output, what, locked=lock is not None))


def make_venv(place: Path, python: Json) -> None:
    """Raises BuiltinError with the remedy."""
    argv = [python["executable"], "-I", "-m", "venv", str(place)]
    exit_code, output = run_shown(argv, place.parent, clean_environ())
    if exit_code == 0:
        return
    if "No space left" in output:
        raise BuiltinError("the disk is full where environments are kept; free some, or set another work_dir")
    if "ensurepip" in output or "No module named venv" in output:
        remedy = "install its venv package (Debian, Ubuntu: python3-venv), or name another Python"
        raise BuiltinError("{} cannot make a venv; {}".format(python["executable"], remedy))
    raise BuiltinError("the venv could not be made: {}".format(last_line(output)))


def _verify(place: Path, spec: Json, code: Path) -> None:
    argv = [str(word) for word in spec.get("verify") or []]
    if not argv:
        return
    environ = surroundings.with_venv(dict(os.environ), place)
    exit_code, output = run_shown(argv, code if code.is_dir() else place, environ)
    if exit_code != 0:
        raise BuiltinError("the environment was built but does not pass its check: {}".format(last_line(output)))


def _versions(place: Path) -> Dict[str, str]:
    """Package to version as `pip freeze` tells; the address for what was not installed by name."""
    argv = [str(place / "bin" / "python"), "-m", "pip", "freeze", "--disable-pip-version-check"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environ())
    found: Dict[str, str] = {}
    for line in hide_credentials(done.stdout.decode("utf-8", "replace")).splitlines():
        for separator in ("==", " @ "):
            name, found_it, version = line.partition(separator)
            if found_it:
                found[name.strip()] = version.strip()
                break
    return found


def run_shown(argv: List[str], cwd: Path, environ: Dict[str, str]) -> tuple[int, str]:
    """Run with its output shown as it comes; the exit code and the end of the output."""
    say("+ " + hide_credentials(surroundings.shown(argv)))
    try:
        child = subprocess.Popen(
            argv, cwd=str(cwd), env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        return 127, "{} could not be started: {}".format(argv[0], error.strerror)
    assert child.stdout is not None
    tail = ""
    for line in child.stdout:
        text = line.decode("utf-8", "replace")
        sys.stdout.write(hide_credentials(text))
        sys.stdout.flush()
        tail = (tail + text)[-_TAIL_CHARS:]
    return child.wait(), tail


def without_index_settings(environ: Dict[str, str]) -> Dict[str, str]:
    """For a pip that is to take what is given to it and nothing else, whatever this host's settings say."""
    kept = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    return dict(kept, PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX="1")


def clean_environ() -> Dict[str, str]:
    """Ours, without what would send packages elsewhere."""
    return {name: value for name, value in os.environ.items() if name not in _DROPPED}


def _when(at: Optional[float]) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at else "at an unknown time"
