"""The demo's dataset: what it writes is Cityscapes' layout, and the same each time."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from jobctl.demo.dataset import DatasetSize, write_dataset
from jobctl.demo.png import make_png
from jobctl.demo.scene import CLASSES, make_scene, paint_image, paint_labels

SMALL = DatasetSize(train=3, val=2, width=64, height=32)


def relative_files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_every_image_has_its_label_one_city_below_the_split(weird_path: Path) -> None:
    first = write_dataset(weird_path, SMALL)
    files = relative_files(weird_path)
    stems = ["train/anytown/anytown_000000", "train/anytown/anytown_000002", "train/elsewhere/elsewhere_000001"]
    stems += ["val/newtown/newtown_000000", "val/newtown/newtown_000001"]
    labels = [f"gtFine/{stem}_000019_gtFine_labelTrainIds.png" for stem in stems]
    images = [f"leftImg8bit/{stem}_000019_leftImg8bit.png" for stem in stems]
    assert files == sorted(labels + images)
    assert first == weird_path / images[3]


def test_a_dataset_as_cityscapes_delivers_it_has_polygons_and_no_labels(tmp_path: Path) -> None:
    write_dataset(tmp_path, SMALL, polygons=True)
    [path] = tmp_path.glob("gtFine/val/newtown/newtown_000000_*")
    assert path.name == "newtown_000000_000019_gtFine_polygons.json"
    document = json.loads(path.read_text())
    assert (document["imgWidth"], document["imgHeight"]) == (64, 32)
    assert {each["label"] for each in document["objects"]} <= set(CLASSES)


def test_the_same_seed_gives_the_same_pixels_and_another_seed_does_not(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two", "three")]
    for root, seed in zip(roots, (1, 1, 2), strict=True):
        write_dataset(root, SMALL, seed=seed)
    one, two, three = ([(root / name).read_bytes() for name in relative_files(root)] for root in roots)
    assert one == two
    assert all(ours != theirs for ours, theirs in zip(one, three, strict=True))


@pytest.mark.parametrize("seed", [f"scene {number}" for number in range(20)])
def test_labels_are_train_ids_and_the_image_shows_each_class_in_its_colour(seed: str) -> None:
    labels = paint_labels(make_scene(seed, 64, 32), 64, 32)
    image = paint_image(seed, labels)
    assert len(labels) == 64 * 32 and len(image) == 3 * len(labels)
    colours = {each.train_id: each.colour for each in CLASSES.values()}
    assert {0, 1, 10, 255} <= set(labels) <= set(colours)  # road, sidewalk, sky and the car that takes the picture
    for at, train_id in enumerate(labels):
        grain = [image[3 * at + channel] - colours[train_id][channel] for channel in range(3)]
        assert all(0 <= each < 32 for each in grain)


@pytest.mark.parametrize(("channels", "colour_type"), [(1, 0), (3, 2)])
def test_a_png_holds_exactly_the_pixels_it_was_made_of(channels: int, colour_type: int) -> None:
    pixels = bytes(range(2 * 3 * channels))
    file = make_png(pixels, 2, 3)
    assert file[16:33][:10] == bytes([0, 0, 0, 2, 0, 0, 0, 3, 8, colour_type])
    length = int.from_bytes(file[33:37], "big")
    rows = zlib.decompress(file[41 : 41 + length])
    stride = 1 + 2 * channels
    assert b"".join(rows[start + 1 : start + stride] for start in range(0, len(rows), stride)) == pixels
    assert {rows[start] for start in range(0, len(rows), stride)} == {0}


def test_pixels_that_fill_no_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="not 2x3 pixels"):
        make_png(b"12345", 2, 3)
