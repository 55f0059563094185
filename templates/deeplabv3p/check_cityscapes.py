"""Names what is wrong with a Cityscapes folder before a training starts that would stumble over it hours later.

    python check_cityscapes.py data/cityscapes --ranks 4 --config configs/deeplabv3p/X.yml

All problems are told at once, the first few of each kind, and the exit code is 1. What PaddleSeg itself does about
them (seen on branch npu_cann8.0): a missing label silently shifts every pair after it, a batch that is larger than a
rank's share of the images makes it spin for ever without a word, and an unreadable image hangs it.
"""

import argparse
import hashlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from png import check_png
from store import store_folder
from yml import read_number

SPLITS = ("train", "val")
IMAGE_SUFFIX = "_leftImg8bit.png"
LABEL_SUFFIX = "_gtFine_labelTrainIds.png"
POLYGON_SUFFIX = "_gtFine_polygons.json"
SHOWN = 5

REMEDIES = {
    "folder missing": "Cityscapes is leftImg8bit/{train,val}/<city>/*.png and gtFine/{train,val}/<city>/*.png.",
    "split without images": "Expected leftImg8bit/<split>/<city>/*" + IMAGE_SUFFIX + ".",
    "not exactly one city level": "PaddleSeg looks for <split>/<city>/<file> and sees nothing above or below that.",
    "labels not converted": "There are polygons, but no *" + LABEL_SUFFIX + ": set convert_labels to true, or run\n"
    "PaddleSeg's tools/data/convert_cityscapes.py on the folder.",
    "image without label": "PaddleSeg pairs two sorted lists: one missing label shifts all pairs after it.",
    "label without image": "PaddleSeg pairs two sorted lists: one missing image shifts all pairs after it.",
    "names that sort differently": "PaddleSeg pairs two sorted lists, and these would end up in wrong pairs.",
    "unreadable file": "Copy it again from the original.",
    "label of the wrong kind": "A label is one 8-bit number a pixel: 0 to 18, and 255 for what is ignored.",
    "image and label differ in size": "A label has exactly the width and height of its image.",
    "too few images for the batch": "Lower batch_size or cards, or add images: training would never start.",
}


class Problems:
    """What was found: examples by kind, in the order of REMEDIES. Safe to add to from several threads."""

    def __init__(self):
        self._found = {}
        self._lock = threading.Lock()

    def __bool__(self):
        return bool(self._found)

    def add(self, kind, example):
        with self._lock:
            self._found.setdefault(kind, []).append(example)

    def lines(self):
        for kind, remedy in REMEDIES.items():
            examples = sorted(self._found.get(kind, []))
            if not examples:
                continue
            yield f"{kind}: {len(examples)}"
            for line in remedy.split("\n"):
                yield "    " + line
            for example in examples[:SHOWN]:
                yield "    - " + example
            if len(examples) > SHOWN:
                yield f"    - and {len(examples) - SHOWN} more"


def list_files(folder, suffix):
    """(city, stem) -> path for each file with that suffix on the city level; and the paths of those elsewhere."""
    found, misplaced = {}, []
    for where, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if name.endswith(suffix):
                path = os.path.join(where, name)
                if os.path.dirname(where) == folder:
                    found[os.path.basename(where), name[: -len(suffix)]] = path
                else:
                    misplaced.append(path)
    return found, misplaced


def check_names(root, split, problems):
    """Check what can be told from names alone. Returns the pairs (image path, label path)."""
    image_folder, label_folder = os.path.join(root, "leftImg8bit", split), os.path.join(root, "gtFine", split)
    missing = [folder for folder in (image_folder, label_folder) if not os.path.isdir(folder)]
    for folder in missing:
        problems.add("folder missing", folder)
    if missing:
        return []
    images, strays = list_files(image_folder, IMAGE_SUFFIX)
    labels, stray_labels = list_files(label_folder, LABEL_SUFFIX)
    for path in strays + stray_labels:
        problems.add("not exactly one city level", path)
    if not images:
        problems.add("split without images", image_folder)
    if images and not labels and list_files(label_folder, POLYGON_SUFFIX)[0]:
        problems.add("labels not converted", label_folder)
    else:
        for key in set(images) - set(labels):
            problems.add("image without label", images[key])
    for key in set(labels) - set(images):
        problems.add("label without image", labels[key])
    if set(images) == set(labels):
        check_order(images, labels, problems)
    return [(images[key], labels[key]) for key in sorted(set(images) & set(labels))]


def check_order(images, labels, problems):
    """The same names can sort differently with different endings: a_h, a with _leftImg8bit, but a, a_h with _gtFine."""
    by_image, by_label = sorted(images, key=images.get), sorted(labels, key=labels.get)
    for image_key, label_key in zip(by_image, by_label):
        if image_key != label_key:
            problems.add("names that sort differently", f"{images[image_key]} and {labels[label_key]}")


def check_pair(pair, problems):
    """Read both files whole: signature, every chunk's checksum, the end; then compare what they say of themselves."""
    sizes = []
    for path, is_label in zip(pair, (False, True)):
        try:
            header = check_png(path)
        except (OSError, ValueError) as error:
            problems.add("unreadable file", "{}: {}".format(path, getattr(error, "strerror", None) or error))
            continue
        sizes.append((header.width, header.height))
        if is_label and not header.is_index_map:
            problems.add("label of the wrong kind", f"{path}: {header.kind}")
    if len(set(sizes)) == 2:
        problems.add("image and label differ in size", "{}: {}x{} and {}x{}".format(pair[1], *(sizes[0] + sizes[1])))


def check_contents(pairs, threads, problems):
    """Read all pairs, and say every few seconds how far it is."""
    said = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(lambda pair: check_pair(pair, problems), pairs), 1):
            if time.monotonic() - said > 5:
                said = time.monotonic()
                print(f"  read {done} of {len(pairs)} pairs", flush=True)


def find_mark(pairs):
    """The file that says that exactly these files were read and found whole; None outside of a run.

    Reading 11 GB again for each run would take minutes. Files are the same when path, size and time of change are.
    """
    if "JOBCTL_RUN_DIR" not in os.environ:
        return None
    digest = hashlib.sha256()
    for path in (path for pair in pairs for path in pair):
        try:
            state = os.stat(path)
        except OSError:
            return None
        digest.update(os.fsencode(f"{os.path.realpath(path)}\0{state.st_size}\0{state.st_mtime_ns}\0"))
    return os.path.join(store_folder("checked"), digest.hexdigest())


def check_batch(images, batch_size, ranks, problems):
    """A rank draws ceil(images / ranks), and drops the last batch if it is not full (paddle 3.3.1, batch_sampler.py).

    Returns the iterations of an epoch.
    """
    share = -(-images // ranks)
    if images and share < batch_size:
        told = "{} train images over {} ranks are {} each, and batch_size is {}"
        problems.add("too few images for the batch", told.format(images, ranks, share, batch_size))
    return share // batch_size


def main():
    """Check the folder of the command line, print the findings, and exit 1 when there are any."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root")
    parser.add_argument("--ranks", type=int, default=1, help="processes that train")
    parser.add_argument("--batch_size", type=int, help="images a rank takes at once; default: what the config says")
    parser.add_argument("--config", help="PaddleSeg's yml")
    parser.add_argument("--threads", type=int, default=8)
    args = parser.parse_args()
    batch_size = args.batch_size or (args.config and read_number(args.config, "batch_size")) or 1

    problems = Problems()
    pairs = {split: check_names(args.root, split, problems) for split in SPLITS}
    every = [pair for split in SPLITS for pair in pairs[split]]
    mark = find_mark(every)
    if mark and os.path.isfile(mark):
        print(f"{args.root}: {len(every)} images and their labels were read by an earlier run, and have not changed")
    else:
        print(f"{args.root}: reading {len(every)} images and their labels", flush=True)
        check_contents(every, args.threads, problems)
    iterations = check_batch(len(pairs["train"]), batch_size, args.ranks, problems)
    if problems:
        print("\n".join([args.root + ": not ready for training", *problems.lines()]), flush=True)
        return 1
    if mark:
        open(mark, "w").close()
    told = "{}: ok, {} train and {} val images; {} iterations of {} x {} images are an epoch"
    print(told.format(args.root, len(pairs["train"]), len(pairs["val"]), iterations, args.ranks, batch_size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
