"""The venv of a run: built once, found again, never half."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from jobctl.host import control, pip_words
from jobctl.host.fingerprint import make_fingerprint
from jobctl.host.pip_arguments import folder_reader, requirement_files
from tests.host.runs import Json, make_job, run_job, stage_run, wait_for_end

ENVIRONMENT: Json = {"name": "environment", "steps": [{"argv": ["@host", "environment"]}]}
PYTHON: Json = {"executable": "/usr/bin/python3", "version": "3.9.2", "tag": "cpython-39", "arch": "aarch64"}


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with one wheel, `tiny` 1.0: pip needs no index for it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "VALUE = 42\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        record = "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n"
        wheel.writestr("tiny-1.0.dist-info/RECORD", record)
    return folder


def make_environment_job(run_id: str, spec: Json, stages: list[Json] | None = None) -> Json:
    return make_job(run_id, [ENVIRONMENT, *(stages or [])], environment={"python": sys.executable, **spec})


def offline(wheels: Path, *wanted: str) -> list[str]:
    return ["--no-index", "--find-links", str(wheels), *wanted]


@pytest.mark.slow
def test_an_environment_is_built_once_and_the_stages_of_all_runs_run_in_it(weird_path: Path, wheels: Path) -> None:
    spec = {"install": [offline(wheels, "tiny")], "verify": ["python", "-c", "import tiny"]}
    stage = {"name": "s", "steps": [{"argv": ["python", "-c", "import sys, tiny; print(tiny.VALUE, sys.prefix)"]}]}
    # Two at once, and one later: one builds, one waits, all find.
    run_dirs = [stage_run(weird_path, make_environment_job(f"twin-{n}", spec, [stage])) for n in (1, 2)]
    for run_dir in run_dirs:
        control.start(weird_path, run_dir.name)
    ends = [wait_for_end(run_dir) for run_dir in run_dirs]
    ends.append(run_job(weird_path, make_environment_job("later-1", spec, [stage])))
    assert [end["state"] for end in ends] == ["SUCCEEDED"] * 3, ends
    (place,) = (path for path in (weird_path / "environments").iterdir() if path.is_dir())
    run_dirs.append(weird_path / "runs" / "later-1")
    logs = [(run_dir / "logs" / "environment.log").read_text() for run_dir in run_dirs]
    assert sum("building environment" in log for log in logs) == 1
    assert sum("waiting for another run that builds the same" in log for log in logs) == 1
    assert sum("is there already, built" in log for log in logs) == 2
    for run_dir in run_dirs:
        assert (run_dir / "logs" / "s.log").read_text().endswith(f"\n42 {place}\n")
        assert '"tiny": "1.0"' in (run_dir / "environment.json").read_text()


@pytest.mark.slow
def test_what_was_never_finished_is_swept_away_and_built_again(tmp_path: Path, wheels: Path) -> None:
    bad = make_environment_job("bad-1", {"install": [offline(wheels, "tiny")], "verify": ["python", "-c", "1/0"]})
    status = run_job(tmp_path, bad)
    assert status["state"] == "FAILED"
    reason = "environment: the environment was built but does not pass its check: ZeroDivisionError: division by zero"
    assert status["reason"].startswith(reason)
    assert [path for path in (tmp_path / "environments").iterdir() if path.is_dir()] == []
    # What a killed build leaves: a folder under the right name, without our marker. The lock file tells the name.
    (lock,) = (tmp_path / "environments").glob("*.lock")
    (lock.with_suffix("") / "bin").mkdir(parents=True)
    (lock.with_suffix("") / "bin" / "python").write_text("half")
    good = make_environment_job("good-1", {"install": [offline(wheels, "tiny")]})
    assert run_job(tmp_path, good)["state"] == "SUCCEEDED"


def test_a_python_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    status = run_job(tmp_path, make_environment_job("no-python-1", {"python": "python3.1415"}))
    assert status["state"] == "FAILED"
    assert status["reason"].startswith("environment: 'python3.1415' is not on this host; there is python")


@pytest.mark.slow
def test_a_package_that_is_not_to_be_had_is_told_with_the_remedy(tmp_path: Path, wheels: Path) -> None:
    job = make_environment_job("no-package-1", {"install": [offline(wheels, "no-such-package-of-jobctl")]})
    status = run_job(tmp_path, job)
    assert status["state"] == "FAILED"
    assert "No matching distribution found for no-such-package-of-jobctl" in status["reason"]
    assert "the index has no build of it for this Python" in status["reason"]


def test_credentials_in_an_index_address_are_not_shown() -> None:
    shown = pip_words.hide_credentials("--index-url https://alice:s3cr3t@index.example/simple")
    assert shown == "--index-url https://***@index.example/simple"


PIP: dict[str, tuple[str, str]] = {
    "an index that cannot be reached": (
        "WARNING: Retrying after connection broken by 'NewConnectionError': Failed to establish a new connection\n"
        "ERROR: Could not find a version that satisfies the requirement x (from versions: none)\n"
        "ERROR: No matching distribution found for x\n",
        "cannot be reached from this host",
    ),
    "a wrong Python": (
        "ERROR: Could not find a version that satisfies the requirement x (from versions: 1.0)\n"
        "ERROR: No matching distribution found for x\n",
        "pip: No matching distribution found for x (the index has no build of it for this Python and this machine's",
    ),
    "a full disk": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
        "full",
    ),
    "a wrong hash": ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n", "hashes"),
    "something else": ("ERROR: the moon is in the way\n", "pip: the moon is in the way (Python 3.9.2, aarch64)"),
    "nothing at all": ("", "it ended without a word"),
}


@pytest.mark.parametrize("name", PIP)
def test_what_pip_says_is_told_with_what_it_means(name: str) -> None:
    output, wanted = PIP[name]
    assert wanted in pip_words.explain_pip(output, "Python 3.9.2, aarch64")


def fingerprint(code: Path, run_id: str = "run-1", **spec: object) -> str:
    return make_fingerprint({"install": [["-r", "requirements.txt"]], **spec}, PYTHON, code, run_id)


def test_the_fingerprint_changes_with_what_goes_in_and_with_nothing_else(weird_path: Path) -> None:
    (weird_path / "requirements.txt").write_text("numpy\n-r more.txt\n")
    (weird_path / "more.txt").write_text("six\n")
    first = fingerprint(weird_path)
    assert fingerprint(weird_path, run_id="run-2", verify=["true"]) == first
    assert fingerprint(weird_path, source=["/set_env.sh"]) != first
    assert fingerprint(weird_path, install=[["numpy"]]) != first
    (weird_path / "more.txt").write_text("seven\n")
    assert fingerprint(weird_path) != first


FROM_CODE: dict[str, list[str]] = {
    "the tree": ["."],
    "the tree after an option without value": ["--no-deps", "."],
    "the tree with an extra": ["--upgrade", ".[all]"],
    "editable": ["--no-deps", "-e", "."],
    "editable in one word": ["--editable=."],
    "a wheel in it": ["--no-index", "wheels/x.whl"],
    "a wheel beside": ["x.whl"],
    "a line of a requirement file": ["-r", "has-tree.txt"],
    "an editable line of a file that a file names": ["-r", "names-editable.txt"],
}
NOT_FROM_CODE: dict[str, list[str]] = {
    "where to look for wheels": ["--find-links", ".", "six"],
    "a package that is called as a folder is": ["paddleseg"],
    "a target": ["six", "-t", "./wheels"],
    "a requirement file": ["--requirement", "./plain.txt"],
    "an address": ["https://example.org/x.whl"],
}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for name in ("wheels/x.whl", "x.whl", "paddleseg/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "has-tree.txt").write_text("six\n./wheels/x.whl ; python_version > '3'\n")
    (tmp_path / "names-editable.txt").write_text("-r editable.txt\n")
    (tmp_path / "editable.txt").write_text("-e .\n")
    (tmp_path / "plain.txt").write_text("# -e .\nsix  # ./wheels/x.whl\n-f ./wheels\n")
    return tmp_path


@pytest.mark.parametrize("name", FROM_CODE)
def test_an_environment_that_installs_from_the_code_tree_belongs_to_its_run(code: Path, name: str) -> None:
    install = [FROM_CODE[name]]
    assert fingerprint(code, install=install) != fingerprint(code, run_id="run-2", install=install)


@pytest.mark.parametrize("name", NOT_FROM_CODE)
def test_any_other_environment_is_shared(code: Path, name: str) -> None:
    install = [NOT_FROM_CODE[name]]
    assert fingerprint(code, install=install) == fingerprint(code, run_id="run-2", install=install)


def test_requirement_files_are_found_however_they_are_named(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (tmp_path / name).write_text("six\n")
    install = [["-r", "a.txt"], ["--requirement=b.txt", "-cc.txt"], ["--constraint", "d.txt", "-r", "missing.txt"]]
    assert sorted(requirement_files(install, folder_reader(tmp_path))) == ["a.txt", "b.txt", "c.txt", "d.txt"]
