"""Keeps the picture that was predicted from beside the prediction, so that both can be brought home and compared.

    python keep_input.py IMAGE_OR_FOLDER TARGET_FOLDER

Of a folder the first few. It never fails a run: the prediction is there, and a picture less is no reason.
"""

import os
import shutil
import sys

MOST = 6
LARGEST_BYTES = 6 << 20
ENDINGS = (".png", ".jpg", ".jpeg")


def main():
    """Copy what is small enough, and say what was."""
    source, target = sys.argv[1:]
    names = [source]
    if os.path.isdir(source):
        names = [os.path.join(source, name) for name in sorted(os.listdir(source))]
    try:
        wanted = [name for name in names if name.lower().endswith(ENDINGS) and os.path.getsize(name) <= LARGEST_BYTES]
        os.makedirs(target, exist_ok=True)
        for name in wanted[:MOST]:
            shutil.copyfile(name, os.path.join(target, os.path.basename(name)))
    except OSError as error:
        print(f"the pictures that were predicted from are not kept: {error}")
        return 0
    print(f"{target}: {len(wanted[:MOST])} of {len(names)} pictures kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
