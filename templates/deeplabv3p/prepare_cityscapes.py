"""Makes data/cityscapes out of the dataset as it was given, and converts the labels if that was not done yet.

    python prepare_cityscapes.py GIVEN TARGET [--convert]

Cityscapes is delivered with polygons; PaddleSeg trains on *_gtFine_labelTrainIds.png. The tutorial does not mention the
conversion, and PaddleSeg's own tool for it writes into the dataset and always exits 0. GIVEN may be a folder that
somebody else owns, so nothing is written there: TARGET is a link to it, or, with labels to convert, a folder of links
with the converted labels among them. TARGET appears whole or not at all.
"""

import argparse
import glob
import os
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from check_cityscapes import LABEL_SUFFIX, POLYGON_SUFFIX, SPLITS
from store import hash_of, part_name, put_in_place, store_folder


def convert(pair):
    """Draw one polygon file as a label picture, as PaddleSeg's tools/data/convert_cityscapes.py does; once a host."""
    polygons, label = pair
    stored = os.path.join(store_folder("labels"), hash_of(polygons) + ".png")
    if not os.path.isfile(stored):
        from cityscapesscripts.preparation.json2labelImg import json2labelImg

        try:
            json2labelImg(polygons, part_name(stored), "trainIds")
            os.rename(part_name(stored), stored)
        except (Exception, SystemExit) as error:  # it ends the process for a class that it does not know
            raise RuntimeError(f"{polygons}: cannot be converted ({type(error).__name__}: {error})") from None
    put_in_place(stored, label)


def find_unconverted(given):
    """Paths, relative to `given`, of the polygon files that have no label beside them."""
    found = []
    for split in SPLITS:
        pattern = os.path.join(glob.escape(given), "gtFine", split, "*", "*" + POLYGON_SUFFIX)
        found += [os.path.relpath(path, given) for path in sorted(glob.glob(pattern))]
    return [path for path in found if not os.path.exists(os.path.join(given, label_of(path)))]


def label_of(polygons):
    """The path of the label that belongs to a polygon file."""
    return polygons[: -len(POLYGON_SUFFIX)] + LABEL_SUFFIX


def link_tree(given, target):
    """A folder that shows `given`: leftImg8bit as one link, gtFine as folders of links that more can be put into."""
    os.makedirs(target)
    os.symlink(os.path.join(given, "leftImg8bit"), os.path.join(target, "leftImg8bit"))
    for split in SPLITS:
        for city in sorted(glob.glob(os.path.join(glob.escape(given), "gtFine", split, "*", ""))):
            folder = os.path.join(target, os.path.relpath(city, given))
            os.makedirs(folder)
            for name in os.listdir(city):
                os.symlink(os.path.join(city, name), os.path.join(folder, name))


def convert_all(given, target, unconverted):
    """Convert into `target`, several at once, and count what came out."""
    pairs = [(os.path.join(given, path), os.path.join(target, label_of(path))) for path in unconverted]
    said = time.monotonic()
    with ProcessPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(convert, pairs, chunksize=8), 1):
            if time.monotonic() - said > 5:
                said = time.monotonic()
                print(f"  {done} of {len(pairs)} labels", flush=True)
    lost = [label for _, label in pairs if not os.path.isfile(label) or not os.path.getsize(label)]
    if lost:
        raise RuntimeError(f"{len(lost)} labels were not written, such as {lost[0]}")


def prepare(given, target, may_convert):
    """Make `target`. Returns what was done, for people. Raises RuntimeError when it cannot."""
    if os.path.isdir(target) and not os.path.islink(target):
        return "kept from an earlier attempt"
    given = os.path.realpath(given)
    if not os.path.isdir(given):
        raise RuntimeError(f"there is no dataset at {given}")
    building = target + ".building"
    if os.path.islink(building):
        os.unlink(building)
    shutil.rmtree(building, ignore_errors=True)
    unconverted = find_unconverted(given) if may_convert else []
    if unconverted:
        print(f"{target}: converting {len(unconverted)} polygon files to labels", flush=True)
        link_tree(given, building)
        convert_all(given, building, unconverted)
        if os.path.islink(target):
            os.unlink(target)  # a folder cannot replace a link in one step
    else:
        os.symlink(given, building)
    os.rename(building, target)
    return f"{len(unconverted)} labels converted" if unconverted else "labels as they were given"


def main():
    """Prepare the folder of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("given")
    parser.add_argument("target")
    parser.add_argument("--convert", action="store_true", help="draw labels from polygons where there are none")
    args = parser.parse_args()
    try:
        print(f"{args.target}: {prepare(args.given, args.target, args.convert)}")
    except ImportError as error:
        return f"{args.given}: labels must be converted, and the environment lacks cityscapesScripts ({error})"
    except (OSError, RuntimeError) as error:
        return f"{args.given}: {error}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
