"""A small dataset in the format of Cityscapes, for trying a whole job without the 11 GB that need a registration."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobctl.demo.png import make_png
from jobctl.demo.scene import Shape, make_scene, paint_image, paint_labels

CITIES = {"train": ("anytown", "elsewhere"), "val": ("newtown",)}


@dataclass(frozen=True)
class DatasetSize:
    """How many pictures, and how large (pixels)."""

    train: int = 16
    val: int = 4
    width: int = 192
    height: int = 96


def write_dataset(root: Path, size: DatasetSize | None = None, *, seed: int = 2048, polygons: bool = False) -> Path:
    """Write the dataset below `root`, and return the first validation image (a demo image for inference).

    Layout: `leftImg8bit/{train,val}/<city>/*_leftImg8bit.png` (RGB) and `gtFine/{train,val}/<city>/`
    `*_gtFine_labelTrainIds.png` (8-bit greyscale); with `polygons`, `*_gtFine_polygons.json` in place of the labels, as
    Cityscapes itself is delivered. The same seed gives the same pixels.
    """
    size = size or DatasetSize()
    validation = []
    for split, city, stem in _stems(size):
        identity = f"{seed}/{stem}"
        scene = make_scene(identity, size.width, size.height)
        labels = paint_labels(scene, size.width, size.height)
        image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
        _write(image, make_png(paint_image(identity, labels), size.width, size.height))
        truth = root / "gtFine" / split / city
        if polygons:
            _write(truth / f"{stem}_gtFine_polygons.json", _polygons_json(scene, size))
        else:
            _write(truth / f"{stem}_gtFine_labelTrainIds.png", make_png(labels, size.width, size.height))
        if split == "val":
            validation.append(image)
    return validation[0]


def _stems(size: DatasetSize) -> Iterator[tuple[str, str, str]]:
    """(split, city, stem) of each picture, named as Cityscapes names its own: city, sequence, frame."""
    for split, count in (("train", size.train), ("val", size.val)):
        for number in range(count):
            city = CITIES[split][number % len(CITIES[split])]
            yield split, city, f"{city}_{number:06d}_000019"


def _polygons_json(scene: tuple[Shape, ...], size: DatasetSize) -> bytes:
    objects = [{"label": shape.label, "polygon": shape.polygon} for shape in scene]
    return json.dumps({"imgHeight": size.height, "imgWidth": size.width, "objects": objects}).encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main() -> None:
    """Write a dataset: `python -m jobctl.demo.dataset DIR`."""
    parser = argparse.ArgumentParser(prog="python -m jobctl.demo.dataset", description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--train", type=int, default=16, help="images")
    parser.add_argument("--val", type=int, default=4, help="images")
    parser.add_argument("--width", type=int, default=192, help="pixels")
    parser.add_argument("--height", type=int, default=96, help="pixels")
    parser.add_argument("--seed", type=int, default=2048)
    parser.add_argument("--polygons", action="store_true", help="polygons in place of labels, as Cityscapes comes")
    args = parser.parse_args()
    size = DatasetSize(args.train, args.val, args.width, args.height)
    write_dataset(args.root, size, seed=args.seed, polygons=args.polygons)


if __name__ == "__main__":
    main()
