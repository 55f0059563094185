"""Puts the pretrained backbone where PaddleSeg looks for it, so that training has nothing to download.

    python pretrained.py URL SEG_HOME [--given FOLDER] [--sha256 HEX]

PaddleSeg takes $SEG_HOME/pretrained_model/<name>/model.pdparams if it is there (paddleseg/utils/utils.py). Left to
itself it downloads while four ranks wait, dies on a host without internet ("Failed to resolve") and leaves a
.download.lock behind.
"""

import argparse
import glob
import os
import shutil
import sys
import tarfile
from contextlib import suppress

from fetch import Unavailable, fetch
from store import part_name, put_in_place, store_folder

ARCHIVES = (".tgz", ".tar.gz", ".tar")


def place_of(url):
    """(folder name, file name) that PaddleSeg derives from the address."""
    *_, folder, name = url.split("/")
    return (name.split(".")[0], "model.pdparams") if name.endswith(ARCHIVES) else (folder, name)


def find_given(folder, url):
    """The weights or the archive in a folder that the user gave. Raises Unavailable."""
    for name in (place_of(url)[1], url.split("/")[-1]):
        found = sorted(glob.glob(os.path.join(glob.escape(folder), "**", name), recursive=True))
        if found:
            return os.path.realpath(found[0])
    told = "{}: neither {} nor {} is in it".format(folder, place_of(url)[1], url.split("/")[-1])
    raise Unavailable(told)


def unpack(archive, weights):
    """Take the one file out of the archive that matters. Raises Unavailable when it is damaged or has no such file."""
    part = part_name(weights)
    try:
        with tarfile.open(archive) as tar:
            members = [each for each in tar if each.isfile() and os.path.basename(each.name) == "model.pdparams"]
            if not members:
                raise Unavailable(f"{archive}: there is no model.pdparams in it")
            with tar.extractfile(members[0]) as source, open(part, "wb") as file:
                shutil.copyfileobj(source, file)
        os.rename(part, weights)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Unavailable(f"{archive}: is damaged ({error})") from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def weights_from(source):
    """The weights file itself: `source`, or what is in it, unpacked once a host."""
    if not source.endswith(ARCHIVES):
        return source
    state = os.stat(source)  # an archive of the same name may be another one
    name = f"{os.path.basename(source)}-{state.st_size}-{state.st_mtime_ns}.pdparams"
    weights = os.path.join(store_folder("pretrained"), name)
    if not os.path.isfile(weights):
        print(f"unpacking {source}", flush=True)
        unpack(source, weights)
    return weights


def main():
    """Put the weights of the command line in place."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", help="as the config has it under model.backbone.pretrained")
    parser.add_argument("seg_home")
    parser.add_argument("--given", help="a folder with the weights or the archive, in place of the download")
    parser.add_argument("--sha256", help="of the download")
    args = parser.parse_args()
    folder, name = place_of(args.url)
    target = os.path.join(args.seg_home, "pretrained_model", folder, name)
    try:
        source = find_given(args.given, args.url) if args.given else fetch(args.url, args.sha256)
        put_in_place(weights_from(source), target)
    except (Unavailable, OSError) as error:
        return str(error)
    print(f"{target}: {os.path.getsize(target)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
