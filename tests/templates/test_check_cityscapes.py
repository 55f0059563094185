"""The dataset check: every kind of damage is named with its file, all at once, before training begins."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.demo.dataset import DatasetSize, write_dataset
from jobctl.demo.png import make_png
from tests.templates.helpers import run_helper

SIZE = DatasetSize(train=9, val=2, width=32, height=16)
IMAGE = "leftImg8bit/train/anytown/anytown_000002_000019_leftImg8bit.png"
LABEL = "gtFine/train/anytown/anytown_000002_000019_gtFine_labelTrainIds.png"

Damage = Callable[[Path], object]


def check(root: Path, *args: str) -> tuple[int, str]:
    return run_helper("deeplabv3p/check_cityscapes.py", str(root), *args, cwd=root.parent)


@pytest.fixture
def dataset(weird_path: Path) -> Path:
    write_dataset(weird_path / "cityscapes", SIZE)
    return weird_path / "cityscapes"


def test_a_whole_dataset_passes_and_its_counts_are_told(dataset: Path) -> None:
    code, told = check(dataset, "--ranks", "4", "--batch_size", "2")
    assert code == 0
    assert told.endswith("ok, 9 train and 2 val images; 1 iterations of 4 x 2 images are an epoch\n")


def rename(path: str, to: str) -> Damage:
    def damage(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (root / path).rename(root / to)

    return damage


def write(path: str, content: Callable[[bytes], bytes]) -> Damage:
    return lambda root: (root / path).write_bytes(content((root / path).read_bytes()))


def dead_link(root: Path) -> None:
    (root / IMAGE).unlink()
    (root / IMAGE).symlink_to("nowhere")


def flip_byte(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def sixteen_bit(data: bytes) -> bytes:
    """The same file saying that it has 16 bits, with a header checksum that agrees."""
    header = data[12:24] + b"\x10" + data[25:29]
    return data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]


DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "split is missing": (lambda root: shutil.rmtree(root / "gtFine/val"), "folder missing", "gtFine/val"),
    "split is empty": (
        lambda root: shutil.rmtree(root / "leftImg8bit/val/newtown"),
        "split without images",
        "leftImg8bit/val",
    ),
    "label is missing": (lambda root: (root / LABEL).unlink(), "image without label", IMAGE),
    "image is missing": (lambda root: (root / IMAGE).unlink(), "label without image", LABEL),
    "image without a city": (
        rename(IMAGE, "leftImg8bit/train/anytown_000002_000019_leftImg8bit.png"),
        "not exactly one city level",
        "leftImg8bit/train/anytown_000002_000019_leftImg8bit.png",
    ),
    "label a level too deep": (
        rename(LABEL, LABEL.replace("anytown/", "anytown/more/")),
        "not exactly one city level",
        "anytown/more",
    ),
    "label in another city": (rename(LABEL, LABEL.replace("anytown/", "elsewhere/")), "image without label", IMAGE),
    "image is cut off": (write(IMAGE, lambda data: data[:-20]), "unreadable file", "is cut off after"),
    "image has a flipped bit": (write(IMAGE, flip_byte), "unreadable file", "checksum of chunk IDAT"),
    "image is empty": (write(IMAGE, lambda data: b""), "unreadable file", "is empty"),
    "image is no PNG": (write(IMAGE, lambda data: b"\xff\xd8\xff"), "unreadable file", "is not a PNG file"),
    "image is a dead link": (dead_link, "unreadable file", "No such file or directory"),
    "label is a colour picture": (
        write(LABEL, lambda data: make_png(bytes(3 * 32 * 16), 32, 16)),
        "label of the wrong kind",
        "8-bit RGB",
    ),
    "label has 16 bits": (write(LABEL, sixteen_bit), "label of the wrong kind", "16-bit greyscale"),
    "label has another size": (
        write(LABEL, lambda data: make_png(bytes(16 * 16), 16, 16)),
        "image and label differ in size",
        "32x16 and 16x16",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_with_its_file(dataset: Path, name: str) -> None:
    damage, kind, evidence = DAMAGES[name]
    damage(dataset)
    code, told = check(dataset)
    assert code == 1
    assert f"\n{kind}: 1\n" in told
    assert evidence in told


def test_all_kinds_are_told_at_once_and_many_of_a_kind_are_counted(dataset: Path) -> None:
    for label in (dataset / "gtFine/train").glob("*/*.png"):
        label.unlink()
    [broken, *_] = sorted((dataset / "leftImg8bit/val/newtown").iterdir())
    broken.write_bytes(b"")
    (dataset / "gtFine/train/stray_gtFine_labelTrainIds.png").write_bytes(b"")
    code, told = check(dataset)
    assert code == 1
    assert "image without label: 9\n" in told and "    - and 4 more\n" in told
    assert "unreadable file: 1\n" in told
    assert "not exactly one city level: 1\n" in told
    assert "labels not converted" not in told


def test_polygons_without_labels_are_one_problem_with_its_remedy(tmp_path: Path) -> None:
    write_dataset(tmp_path / "cityscapes", SIZE, polygons=True)
    code, told = check(tmp_path / "cityscapes")
    assert code == 1
    assert "labels not converted: 2\n" in told and "convert_labels" in told
    assert "image without label" not in told


def test_names_that_sort_differently_with_their_endings_are_found(dataset: Path) -> None:
    """Each image has its label by name, and yet PaddleSeg would pair them crosswise: _h is between _g and _l."""
    for stem in ("town_1", "town_1_h"):
        shutil.copy(dataset / IMAGE, dataset / f"leftImg8bit/train/anytown/{stem}_leftImg8bit.png")
        shutil.copy(dataset / LABEL, dataset / f"gtFine/train/anytown/{stem}_gtFine_labelTrainIds.png")
    code, told = check(dataset)
    assert code == 1
    assert "names that sort differently: 2\n" in told


@pytest.mark.parametrize(
    ("ranks", "batch", "fits"),
    [(4, 3, True), (4, 4, False), (1, 9, True), (1, 10, False), (8, 2, True), (16, 1, True), (16, 2, False)],
)
def test_a_batch_that_no_rank_can_fill_is_refused(dataset: Path, ranks: int, batch: int, fits: bool) -> None:
    """Nine images. Paddle's sampler gives each rank ceil(9 / ranks) and drops the batch that is not full."""
    code, told = check(dataset, "--ranks", str(ranks), "--batch_size", str(batch))
    assert (code == 0) is fits
    assert ("too few images for the batch: 1\n" in told) is not fits


@pytest.mark.parametrize(
    ("text", "batch"),
    [
        ("batch_size: 9  # a card\n", 9),
        ("_base_: 'base.yml'\nmodel:\n  batch_size: 3\n", 7),
        ('"_base_": "base.yml"\n', 7),
        ("iters: 3\n", 1),
    ],
)
def test_the_batch_size_is_read_from_the_config_or_its_base(dataset: Path, text: str, batch: int) -> None:
    (dataset.parent / "base.yml").write_text("batch_size: 7\n")
    (dataset.parent / "x.yml").write_text(text)
    code, told = check(dataset, "--config", str(dataset.parent / "x.yml"))
    assert code == 0
    assert f"iterations of 1 x {batch} images" in told


def test_a_folder_that_is_not_there_is_a_message_and_no_traceback(tmp_path: Path) -> None:
    code, told = check(tmp_path / "nowhere")
    assert code == 1
    assert "folder missing: 4\n" in told and "Traceback" not in told


def test_what_an_earlier_run_has_read_is_read_again_only_where_it_changed(dataset: Path) -> None:
    env = {"JOBCTL_RUN_DIR": str(dataset.parent / "work/runs/run")}
    args = ("deeplabv3p/check_cityscapes.py", str(dataset))
    first, second = (run_helper(*args, cwd=dataset, env=env) for _ in range(2))
    assert (first[0], second[0]) == (0, 0)
    assert "reading 11 images" in first[1] and "have not changed" in second[1]
    (dataset / IMAGE).write_bytes(b"")
    code, told = run_helper(*args, cwd=dataset, env=env)
    assert code == 1
    assert "unreadable file: 1\n" in told
