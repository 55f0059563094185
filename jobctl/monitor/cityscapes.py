"""The 19 classes of Cityscapes, in the order of their train ids, and the colours in which everybody draws them.

From cityscapesScripts 2.3.0, cityscapesscripts/helpers/labels.py.
"""

from __future__ import annotations

CLASSES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("building", (70, 70, 70)),
    ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)),
    ("pole", (153, 153, 153)),
    ("traffic light", (250, 170, 30)),
    ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)),
    ("terrain", (152, 251, 152)),
    ("sky", (70, 130, 180)),
    ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)),
    ("car", (0, 0, 142)),
    ("truck", (0, 0, 70)),
    ("bus", (0, 60, 100)),
    ("train", (0, 80, 100)),
    ("motorcycle", (0, 0, 230)),
    ("bicycle", (119, 11, 32)),
)


def names_for(count: int) -> list[str]:
    """Names of so many classes: those of Cityscapes where there are 19, else `class 0`, `class 1`, ..."""
    if count == len(CLASSES):
        return [name for name, _ in CLASSES]
    return [f"class {index}" for index in range(count)]


def colour_of(index: int) -> str:
    """`#804080`: of a class of Cityscapes."""
    red, green, blue = CLASSES[index % len(CLASSES)][1]
    return f"#{red:02x}{green:02x}{blue:02x}"
