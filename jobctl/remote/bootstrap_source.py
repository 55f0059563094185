# Runs on the host before anything of ours is known to be there, and under any Python that calls itself so: it must be
# able to say "too old". Therefore Python 2.6 to 3.x syntax, no imports of ours. `channel` (a binary stream from the
# laptop) and `size_of_program` come from the one line that reads this text; see bootstrap.py.
import errno
import hashlib
import json
import os
import sys

out = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # a stray print() on the host must not end up between our frames


def say(word, **fields):
    out.write(b"\n\0JOBCTL " + json.dumps([word, fields]).encode("ascii") + b"\n")
    out.flush()


def take_program(path, sha256, size):
    data = channel.read(size)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EnvironmentError(errno.EIO, "the host program did not arrive whole", path)
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    beside = "%s.%d.tmp" % (path, os.getpid())
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, path)
    except EnvironmentError:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def is_whole(path, sha256):
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == sha256


def start():
    want = json.loads(channel.readline().decode("ascii"))
    version = "%d.%d.%d" % sys.version_info[:3]
    if sys.version_info < (3, 7):
        return say("old-python", version=version, python=sys.executable)
    if not sys.platform.startswith("linux"):  # "linux2" in Python 2
        return say("not-linux", platform=sys.platform)
    root = os.path.abspath(os.path.expanduser(want["root"]))
    path = os.path.join(root, "host", "jobctl-host-%s.pyz" % want["sha256"][:16])
    try:
        if not is_whole(path, want["sha256"]):
            say("need")
            take_program(path, want["sha256"], want["size"])
    except EnvironmentError as error:
        return say("error", errno=error.errno, message=error.strerror or str(error), path=error.filename or path)
    sys.path.insert(0, path)
    from jobctl_host.__main__ import serve

    say("ready")
    serve(root, channel, out)


start()
