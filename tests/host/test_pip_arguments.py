"""Arguments of `pip install` taken apart, what its report says, and what is installed of a lock. Cases as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobctl.host.locked import make_calls
from jobctl.host.pip_arguments import make_asks, option_lines, options_of, without_index
from jobctl.host.pip_report import merge, parse_pip_version, parse_report

# arguments -> (the options that stay, the arguments without an index)
TAKEN_APART: dict[str, tuple[list[str], list[str], list[str]]] = {
    "packages and an index": (
        ["--pre", "paddlepaddle", "-i", "https://nightly.example/cpu/"],
        ["--pre", "-i", "https://nightly.example/cpu/"],
        ["--pre", "paddlepaddle"],
    ),
    "files and constraints": (
        ["-r", "a.txt", "-cb.txt", "--requirement=c.txt", "numpy<2"],
        [],
        ["-r", "a.txt", "-cb.txt", "--requirement=c.txt", "numpy<2"],
    ),
    "options in one word": (
        ["--index-url=https://x.example/", "-ihttps://y.example/", "--no-deps", "six"],
        ["--index-url=https://x.example/", "-ihttps://y.example/", "--no-deps"],
        ["--no-deps", "six"],
    ),
    "a folder of wheels": (["--no-index", "-f", "wheels", "-e", "."], ["--no-index", "-f", "wheels"], ["-e", "."]),
    "an option without its value": (["six", "-i"], ["-i"], ["six"]),
}


@pytest.mark.parametrize("name", TAKEN_APART)
def test_arguments_are_taken_apart(name: str) -> None:
    arguments, options, without = TAKEN_APART[name]
    assert (options_of(arguments), without_index(arguments)) == (options, without)


def test_what_is_asked_has_a_name_that_changes_with_the_lists_and_the_files() -> None:
    names = {
        make_asks([["six"]], {}),
        make_asks([["-r", "a.txt"]], {"a.txt": b"six\n"}),
        make_asks([["-r", "a.txt"]], {"a.txt": b"six<2\n"}),
        make_asks([["-r", "a.txt"]], {}),
    }
    assert len(names) == 4


def test_lines_of_requirement_files_that_say_where_from_are_kept() -> None:
    text = b"# -i no\n--extra-index-url https://x.example/\n-r more.txt\nsix\n-e .\n--no-binary six\n"
    assert option_lines({"a.txt": text}) == ["--extra-index-url https://x.example/", "--no-binary six"]


def report(*items: dict[str, Any]) -> str:
    return json.dumps({"version": "1", "pip_version": "23.2.1", "install": list(items)})


def item(name: str, version: str, **info: Any) -> dict[str, Any]:
    url = f"https://x.example/{name}-{version}-py3-none-any.whl"
    return {"metadata": {"name": name, "version": version}, "download_info": {"url": url, **info}}


def test_a_report_names_what_can_be_pinned() -> None:
    text = report(
        item("Typing_Extensions", "4.1", archive_info={"hash": "sha256=ab", "hashes": {"sha256": "ab"}}),
        item("six", "1.17.0", archive_info={}),
        item("mine", "0", dir_info={}),
    )
    rows = [(row["name"], row["version"], row["sha256"]) for row in parse_report(text)]
    assert rows == [("typing-extensions", "4.1", "ab"), ("six", "1.17.0", None)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"install": 1}', '{"install": [{}]}', '{"install": [1]}'])
def test_what_is_no_report_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        parse_report(text)


def test_a_later_list_wins_as_a_later_install_does() -> None:
    first = [{"name": "numpy", "version": "2.0"}, {"name": "six", "version": "1"}]
    rows = merge([first, [{"name": "numpy", "version": "1.26", "sha256": "ab"}]])
    assert [(row["name"], row["version"], row["list"]) for row in rows] == [("numpy", "1.26", 1), ("six", "1", 0)]


VERSIONS = {
    "pip 23.2.1 from /x/pip (python 3.11)": (23, 2),
    "pip 20.0.2 from /x (python 3.8)": (20, 0),
    "pip 25.1": (25, 1),
    "No module named pip": None,
    "": None,
    "pip": None,
}


@pytest.mark.parametrize("said", VERSIONS)
def test_the_version_of_pip_is_read(said: str) -> None:
    assert parse_pip_version(said) == VERSIONS[said]


HASH = "ab" * 32
LOCK = {
    "packages": [
        {"name": "paddlepaddle", "version": "3.0", "list": 0, "sha256": HASH},
        {"name": "numpy", "version": "1.26", "list": 1, "sha256": HASH},
        {"name": "built", "version": "1", "list": 1, "sha256": None},
    ]
}


def test_each_list_installs_its_own_packages_from_its_own_index_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--extra-index-url https://x.example/\nnumpy\n")
    install = [["--pre", "paddlepaddle", "-i", "https://nightly.example/"], ["-r", "requirements.txt"], ["six"]]
    calls = make_calls(install, LOCK, tmp_path, None, tmp_path / "venv")
    told = [(call.arguments, call.file[1] if call.file else None) for call in calls]
    file = str(tmp_path / "venv" / "jobctl-locked-{}.txt")
    assert told == [
        (
            ["--pre", "-i", "https://nightly.example/", "--no-deps", "-r", file.format("1")],
            f"paddlepaddle==3.0 --hash=sha256:{HASH}\n",
        ),
        (
            ["--no-deps", "-r", file.format("2")],
            f"--extra-index-url https://x.example/\nnumpy==1.26 --hash=sha256:{HASH}\n",
        ),
        (["--no-deps", "-r", file.format("2-unhashed")], "--extra-index-url https://x.example/\nbuilt==1\n"),
    ]


def test_with_a_bundle_there_is_no_other_place_to_take_packages_from(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--extra-index-url https://x.example/\nnumpy\n")
    install = [["paddlepaddle", "-i", "https://nightly.example/"], ["-r", "requirements.txt"], ["--no-deps", "-e", "."]]
    calls = make_calls(install, LOCK, tmp_path, tmp_path / "wheels", tmp_path / "venv")
    assert "example" not in str(calls)
    assert all(call.arguments[:3] == ["--no-index", "--find-links", str(tmp_path / "wheels")] for call in calls)
    held = str(tmp_path / "venv" / "jobctl-locked.txt")
    assert calls[-1].arguments[3:] == ["--no-deps", "-e", ".", "-c", held]
    assert calls[-1].file == ("jobctl-locked.txt", "paddlepaddle==3.0\nnumpy==1.26\nbuilt==1\n")
