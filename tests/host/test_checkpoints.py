"""Which checkpoints are complete: judged by reading them to their end, never by loading them."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest

from jobctl.host.checkpoints import Checkpoint, choose, complete_checkpoints, defect_of, iteration_of

FILES = ["model.pdparams", "model.pdopt"]
SPEC = {"path": "output/iter_*", "files": FILES}
WHOLE = pickle.dumps({"weights": bytes(range(256)) * 300, "name": "conv.w"}, protocol=4)


def save(folder: Path, **contents: bytes) -> Path:
    folder.mkdir(parents=True)
    for name in ("pdparams", "pdopt"):
        (folder / f"model.{name}").write_bytes(contents.get(name, WHOLE))
    return folder


def test_a_file_cut_off_anywhere_is_not_whole(tmp_path: Path) -> None:
    folder = save(tmp_path / "iter_1")
    assert defect_of(folder, FILES) is None
    for length in [1, 2, 3, 11, *range(20, len(WHOLE), 4999), len(WHOLE) - 1]:
        (folder / "model.pdopt").write_bytes(WHOLE[:length])
        assert defect_of(folder, FILES) == "model.pdopt is cut off or damaged", length


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_that_begins_with_its_number_is_read(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"weights": b"x" * 70000}, protocol=protocol)
    assert defect_of(save(tmp_path / "iter_1", pdopt=data), FILES) is None
    assert defect_of(save(tmp_path / "iter_2", pdopt=data[:-1]), FILES) is not None


DEFECTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "model.pdopt is empty"),
    "more than one pickle": (WHOLE + b"more", "model.pdopt has 4 bytes after its end"),
    "the end of a file that was never written": (WHOLE[:1000] + bytes(5000), "model.pdopt is cut off or damaged"),
    "a zip archive without its end": (b"PK\x03\x04" + b"x" * 100, "model.pdopt is cut off or damaged"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str) -> None:
    data, said = DEFECTS[name]
    assert defect_of(save(tmp_path / "iter_1", pdopt=data), FILES) == said


def test_a_zip_archive_is_read_to_its_end(tmp_path: Path) -> None:
    folder = save(tmp_path / "iter_1")
    with zipfile.ZipFile(folder / "model.pdopt", "w") as archive:
        archive.writestr("data", b"weights" * 100)
    assert defect_of(folder, FILES) is None
    data = (folder / "model.pdopt").read_bytes()
    (folder / "model.pdopt").write_bytes(data.replace(b"weights", b"weighty", 1))
    assert defect_of(folder, FILES) == "model.pdopt is damaged at data"


def test_a_further_file_that_is_cut_off_counts_too(tmp_path: Path) -> None:
    folder = save(tmp_path / "iter_1")
    (folder / "model.pdstates").write_bytes(WHOLE[:-1])  # PaddleSeg 2.9.1
    assert defect_of(folder, FILES) == "model.pdstates is cut off or damaged"


class Bomb:
    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self._path, "w")


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"), protocol=4)
    assert defect_of(save(tmp_path / "iter_1", pdopt=bomb), FILES) is None
    assert not (tmp_path / "exploded").exists()


def test_the_complete_ones_are_found_newest_first_in_a_folder_with_any_name(weird_path: Path) -> None:
    for number in (1000, 200, 30):
        save(weird_path / "output" / f"iter_{number}")
    save(weird_path / "output" / "iter_4000", pdopt=WHOLE[:-1])
    save(weird_path / "output" / "iter_x")
    (weird_path / "output" / "iter_5000").mkdir()
    found = complete_checkpoints(weird_path, SPEC)
    assert [one.name for one in found] == ["iter_1000", "iter_200", "iter_30"]


@pytest.mark.parametrize(("name", "number"), [("iter_12", 12), ("my_net_7", 7), ("best_model", None), ("iter_", None)])
def test_the_iteration_is_what_follows_the_last_underscore(name: str, number: int | None) -> None:
    assert iteration_of(name) == number


def at(iteration: int, written_at: float = 0.0) -> Checkpoint:
    return Checkpoint(Path(f"/run/iter_{iteration}"), iteration, written_at)


CHOICES: dict[str, tuple[list[Checkpoint], int | None, dict[str, object] | None, int | None]] = {
    "the newest": ([at(20), at(40)], 100, None, 40),
    "not one of the last iteration": ([at(80), at(100)], 100, None, 80),
    "any, where nobody knows the last": ([at(80), at(100)], None, None, 100),
    "none": ([], 100, None, None),
    "the one that was asked for": ([at(20), at(40)], 100, {"path": "/run/iter_20", "at": 5.0}, 20),
    "a later one of the same way": ([at(20), at(30, 9.0), at(40)], 100, {"path": "/run/iter_20", "at": 5.0}, 30),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_one_to_go_on_from(name: str) -> None:
    found, iters, wanted, expected = CHOICES[name]
    chosen = choose(found, iters, wanted)
    assert (chosen.iteration if chosen else None) == expected
