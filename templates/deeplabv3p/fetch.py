"""Has a file from the internet at hand: downloaded once a host, whole or not at all.

    python fetch.py URL_OR_PATH TARGET [--sha256 HEX]

It runs before training, because a host without internet should say so now and not after ten hours; and because Paddle's
launcher takes http_proxy away from the processes it starts. Downloads are kept in <work_dir>/datasets/.downloads.
"""

import argparse
import hashlib
import os
import shutil
import sys
import time
import urllib.request
from contextlib import closing, suppress
from http.client import HTTPException

from store import hash_of, part_name, store_folder

AGENT = {"User-Agent": "jobctl"}  # some stores answer Python's own name with 403


class Unavailable(Exception):
    """The file cannot be had; the message says why and what to do."""


def is_url(source):
    """True for what must be downloaded; everything else is a path."""
    return source.startswith(("http://", "https://"))


def fetch(url, sha256=None):
    """The path of the downloaded file. Raises Unavailable."""
    name = hashlib.sha256(url.encode()).hexdigest()[:16] + "-" + os.path.basename(url.split("?")[0])
    path = os.path.join(store_folder("downloads"), name)
    if not os.path.isfile(path):
        part = part_name(path)
        try:
            download(url, part)
            os.rename(part, path)
        except (OSError, ValueError, HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or error
            hint = "Where this host has no way to the internet, give a file of your own (see the template's values)."
            raise Unavailable(f"cannot download {url}: {reason}\n  {hint}") from None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part)
    if sha256 and hash_of(path) != sha256.lower():
        os.unlink(path)
        raise Unavailable(f"{url} is not the file it should be: its SHA-256 is not {sha256}")
    return path


def download(url, path):
    """Copy the answer to `path`, saying how far it is. Raises OSError when it is cut off."""
    print(f"downloading {url}", flush=True)
    request = urllib.request.Request(url, headers=AGENT)  # noqa: S310 - is_url lets http and https through only
    with closing(urllib.request.urlopen(request, timeout=60)) as answer:  # noqa: S310
        expected = answer.headers.get("Content-Length")
        size, said = 0, time.monotonic()
        with open(path, "wb") as file:
            for piece in iter(lambda: answer.read(1 << 20), b""):
                file.write(piece)
                size += len(piece)
                if time.monotonic() - said > 5:
                    said = time.monotonic()
                    print(f"  {size / 1e6:.1f} of {int(expected or 0) / 1e6:.1f} MB", flush=True)
    if expected is not None and size != int(expected):
        raise OSError(f"it ended after {size} of {expected} bytes")


def main():
    """Put the file of the command line where it belongs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="an address, or a path that must be there")
    parser.add_argument("target", nargs="?", help="where the download goes; not needed for a path")
    parser.add_argument("--sha256")
    args = parser.parse_args()
    if not is_url(args.source):
        if not os.path.exists(args.source):
            return f"{args.source}: there is no such file or folder (paths are relative to the code tree)"
        print(f"{args.source}: is there")
        return 0
    try:
        shutil.copyfile(fetch(args.source, args.sha256), args.target)
    except (Unavailable, OSError) as error:
        return str(error)
    print(f"{args.target}: {os.path.getsize(args.target)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
