"""Street scenes as Cityscapes describes them: polygons with a class, the later ones in front.

Pure: a seed decides the scene. The classes differ in colour and in where they stand, so that a small network learns
to tell them apart within a minute on a CPU.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

Point = tuple[int, int]


@dataclass(frozen=True)
class SceneClass:
    """A Cityscapes class: its trainId (cityscapesScripts, helpers/labels.py) and the colour we paint it in (0..224)."""

    train_id: int
    colour: tuple[int, int, int]


CLASSES = {
    "road": SceneClass(0, (88, 84, 92)),
    "sidewalk": SceneClass(1, (176, 148, 160)),
    "building": SceneClass(2, (120, 72, 52)),
    "pole": SceneClass(5, (196, 196, 188)),
    "traffic sign": SceneClass(7, (220, 200, 24)),
    "vegetation": SceneClass(8, (36, 112, 40)),
    "sky": SceneClass(10, (124, 176, 220)),
    "person": SceneClass(11, (204, 32, 64)),
    "car": SceneClass(13, (24, 40, 168)),
    "ego vehicle": SceneClass(255, (16, 16, 16)),
}
"""The classes that the scenes use. 255 is what Cityscapes ignores in training."""


@dataclass(frozen=True)
class Shape:
    """A polygon of one class, in pixels, (0, 0) at the top left."""

    label: str
    polygon: tuple[Point, ...]


def make_scene(seed: str, width: int, height: int) -> tuple[Shape, ...]:
    """The shapes of one street, from back to front. The same seed and size give the same scene."""
    rng = random.Random(seed)
    horizon = int(height * rng.uniform(0.40, 0.50))
    vanishing = int(width * rng.uniform(0.40, 0.60))
    bottom = height - max(2, height // 20)
    ground = (
        _box("sky", 0, 0, width, height),
        *_skyline(rng, width, horizon),
        _box("sidewalk", 0, horizon, width, height),
        Shape("road", ((vanishing - 3, horizon), (vanishing + 3, horizon), (width, bottom), (0, bottom))),
    )
    return ground + tuple(_things(rng, width, height, horizon)) + (_box("ego vehicle", 0, bottom, width, height),)


def _skyline(rng: random.Random, width: int, horizon: int) -> list[Shape]:
    """Houses and trees side by side, with gaps of sky between them."""
    shapes = []
    left = 0
    while left < width:
        right = left + int(width * rng.uniform(0.10, 0.22))
        label = rng.choice(("building", "building", "vegetation"))
        top = int(horizon * (rng.uniform(0.05, 0.45) if label == "building" else rng.uniform(0.35, 0.65)))
        shapes.append(_box(label, left, top, right, horizon))
        left = right + int(width * rng.uniform(0.0, 0.05))
    return shapes


def _things(rng: random.Random, width: int, height: int, horizon: int) -> list[Shape]:
    """Cars on the road; signs on their poles and people on the pavements. Near things are larger and stand lower."""
    shapes = []
    for nearness in sorted(rng.uniform(0.15, 0.60) for _ in range(rng.randint(2, 4))):
        foot = horizon + int((height - horizon) * nearness)
        size = max(4, int(height * nearness * 0.40))
        left = int(width * rng.uniform(0.25, 0.65))
        shapes.append(_box("car", left, foot - size // 2, left + size, foot))
    for side in (0.02, 0.90):
        left = int(width * (side + rng.uniform(0.0, 0.06)))
        top = int(horizon * rng.uniform(0.5, 0.8))
        thick = max(2, width // 64)
        shapes.append(_box("pole", left, top, left + thick, horizon + height // 8))
        shapes.append(_box("traffic sign", left - thick, top, left + 2 * thick, top + height // 10))
        person = left + int(width * rng.uniform(0.03, 0.06)) * (1 if side < 0.5 else -1)
        shapes.append(_box("person", person, horizon - height // 12, person + 2 * thick, horizon + height // 8))
    return shapes


def _box(label: str, left: int, top: int, right: int, bottom: int) -> Shape:
    return Shape(label, ((left, top), (right, top), (right, bottom), (left, bottom)))


def paint_labels(scene: tuple[Shape, ...], width: int, height: int) -> bytes:
    """The label picture: one byte a pixel, the trainId of the frontmost shape. Shapes are convex polygons."""
    canvas = bytearray(b"\xff" * (width * height))
    for shape in scene:
        value = bytes([CLASSES[shape.label].train_id])
        for y in range(height):
            span = _span(shape.polygon, y + 0.5)
            if span is not None:
                left, right = max(0, round(span[0])), min(width, round(span[1]))
                canvas[y * width + left : y * width + max(left, right)] = value * max(0, right - left)
    return bytes(canvas)


def _span(polygon: tuple[Point, ...], y: float) -> tuple[float, float] | None:
    """Where a horizontal line cuts a convex polygon, from left to right; None when it misses."""
    cuts = [
        x0 + (y - y0) * (x1 - x0) / (y1 - y0)
        for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True)
        if (y0 <= y) != (y1 <= y)
    ]
    return (min(cuts), max(cuts)) if cuts else None


def paint_image(seed: str, labels: bytes) -> bytes:
    """The photograph that belongs to `labels`: three bytes a pixel, each class in its colour, with grain over it."""
    palette = {scene_class.train_id: scene_class.colour for scene_class in CLASSES.values()}
    image = bytearray(3 * len(labels))
    for channel in range(3):
        image[channel::3] = labels.translate(bytes(palette.get(value, (0, 0, 0))[channel] for value in range(256)))
    grain = int.from_bytes(random.Random(seed).randbytes(len(image)), "big")
    # One addition of two large numbers instead of a loop over pixels: colours end at 224 and grain at 31, so that no
    # byte ever carries into its neighbour.
    grain &= int.from_bytes(b"\x1f" * len(image), "big")
    return (int.from_bytes(image, "big") + grain).to_bytes(len(image), "big")
