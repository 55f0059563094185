"""Does the framework itself work here, and is it the card that works? Data of jobctl: runs in a job's environment.

python deep_check.py one DEVICE       in one process: versions, plugin, Paddle's own check, a product of matrices
python deep_check.py ranks DEVICE     as a rank of paddle.distributed.launch: a sum over all ranks

Writes what was seen to output/deep_check/*.json and judges nothing: what went wrong is a fact as well, so the exit code
is 0 once that is written. Python 3.7 and newer.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import traceback

FOLDER = os.path.join("output", "deep_check")
SIDE = 1024
WORK_S = 4.0
"""So long the card is kept busy while npu-smi looks: it takes up to some seconds itself."""
HELD_BYTES = 512 << 20
SMI_PLACES = ("npu-smi", "/usr/local/bin/npu-smi", "/usr/local/sbin/npu-smi", "/usr/sbin/npu-smi")


def main():
    """One of the two parts, by its name on the command line."""
    part, device = sys.argv[1:]
    rank = os.environ.get("PADDLE_TRAINER_ID", "0")
    name = "one" if part == "one" else "rank-{}".format(rank)
    facts = {"device": device, "pid": os.getpid(), "python": sys.version.split()[0]}
    write(name, dict(facts, began=True))  # what ends a process without a word leaves at least this
    print("deep check: {} begins".format(name), flush=True)
    steps = ONE if part == "one" else RANKS
    for label, step in steps:
        facts[label] = attempt(step, device)
        write(name, facts)
        print("deep check: {}: {}".format(label, json.dumps(facts[label])[:500]), flush=True)
    return 0


def attempt(step, device):
    """{"value", "said"} or {"error", "said"}: whatever it raises, and whatever it prints."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            value = step(device)
    except BaseException as error:
        last = traceback.format_exception_only(type(error), error)[-1].strip()
        return {"error": last[:1000], "said": said.getvalue()[-4000:]}
    return {"value": value, "said": said.getvalue()[-4000:]}


def write(name, facts):
    """Whole or not at all."""
    os.makedirs(FOLDER, exist_ok=True)
    path = os.path.join(FOLDER, name + ".json")
    with open(path + ".part", "w") as handle:
        json.dump(facts, handle)
    os.replace(path + ".part", path)


def versions(device):
    """Of Paddle, by itself."""
    import paddle

    return {"paddle": paddle.__version__, "commit": paddle.version.commit}


def device_types(device):
    """The kinds of devices that plugins have brought."""
    import paddle

    return list(paddle.device.get_all_custom_device_type())


def plugin(device):
    """The plugin's own words on its version, its commit and its CANN; it prints them."""
    if device != "npu":
        return None
    from paddle_custom_device import npu

    return str(npu.version())


def run_check(device):
    """Paddle's own check. It prints its verdict, and says "successfully" also where only one device works."""
    import paddle

    paddle.utils.run_check()


def one_card(device):
    """A product of matrices whose result is known, on the device, while npu-smi looks."""
    import paddle

    paddle.set_device("npu:0" if device == "npu" else device)
    before = npu_smi(device)
    held = paddle.zeros([HELD_BYTES // 4] if device == "npu" else [1], dtype="float32")
    found = [multiply(paddle)]
    if device != "npu":
        return dict(found[0], pid=os.getpid(), smi_before=before, smi_during=None)
    looked = threading.Thread(target=lambda: found.append(npu_smi(device)))
    looked.start()
    until = time.monotonic() + WORK_S
    while looked.is_alive() or time.monotonic() < until:
        multiply(paddle)
    looked.join()
    return dict(found[0], pid=os.getpid(), held_bytes=int(held.size) * 4, smi_before=before, smi_during=found[1])


def multiply(paddle):
    """SIDE ones times SIDE ones: every element of the product of matrices of ones is SIDE."""
    ones = paddle.ones([SIDE, SIDE], dtype="float32")
    product = paddle.matmul(ones, ones)
    return {"place": str(product.place), "mean": float(product.mean()), "wanted": float(SIDE)}


def npu_smi(device):
    """What `npu-smi info` prints at this moment; None where there is none."""
    if device != "npu":
        return None
    for program in SMI_PLACES:
        try:
            done = subprocess.run(
                [program, "info"],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=30,
                env=dict(os.environ, LC_ALL="C"),
            )
        except FileNotFoundError:
            continue
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "replace")
    return None


def all_reduce(device):
    """Rank r gives r + 1; every rank must have the sum of all."""
    import paddle
    import paddle.distributed as dist

    dist.init_parallel_env()
    number, rank = dist.get_world_size(), dist.get_rank()
    tensor = paddle.full([SIDE], float(rank + 1), dtype="float32")
    dist.all_reduce(tensor)
    dist.barrier()
    return {
        "ranks": number,
        "rank": rank,
        "place": str(tensor.place),
        "sum": float(tensor.mean()),
        "wanted": number * (number + 1) / 2.0,
        "selected": os.environ.get("FLAGS_selected_npus"),
    }


ONE = (
    ("versions", versions),
    ("device_types", device_types),
    ("plugin", plugin),
    ("one_card", one_card),
    ("run_check", run_check),
)
RANKS = (("all_reduce", all_reduce),)


if __name__ == "__main__":
    sys.exit(main())
