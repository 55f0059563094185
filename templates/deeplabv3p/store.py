"""What one run made and later ones on the same host can use: in <work_dir>/datasets, whole under its final name."""

import hashlib
import os


def store_folder(kind):
    """<work_dir>/datasets/.<kind>, made where needed; inside the run's folder for a try by hand, without jobctl.

    With a dot, because datasets/<name> are the datasets that users have sent.
    """
    run_dir = os.environ.get("JOBCTL_RUN_DIR")
    base = os.path.dirname(os.path.dirname(run_dir)) if run_dir else os.path.abspath("..")
    folder = os.path.join(base, "datasets", "." + kind)
    os.makedirs(folder, exist_ok=True)
    return folder


def part_name(path):
    """Where to write what will be renamed to `path`; other runs may do the same at the same time."""
    root, suffix = os.path.splitext(path)
    return f"{root}.{os.getpid()}.part{suffix}"


def put_in_place(stored, target):
    """Show a stored file under `target`: as a hard link, so that cleaning the store takes nothing from a run."""
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    if os.path.lexists(target):
        os.unlink(target)
    try:
        os.link(stored, target)
    except OSError:  # another file system, or a file of another user
        os.symlink(os.path.abspath(stored), target)


def hash_of(path):
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
