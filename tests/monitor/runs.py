"""Runs to report on, as the laptop knows them: no host needed. What stands in them is real where it is PaddleSeg's."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobctl.demo.png import make_png
from jobctl.host.metrics import Parser
from jobctl.monitor.columns import Metrics
from jobctl.monitor.evidence import Evidence, Picture
from jobctl.monitor.pictures import SIGNATURE, data_uri, with_cityscapes_palette

CAPTURED = Path(__file__).parent / "data" / "paddleseg_2.8.0.log"
"""Lines of a real training: paddleseg 2.8.0 on four CPU ranks, 120 iterations (`jobctl demo`)."""

XSS = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'&</pre></style>"
BEGAN = 1_790_000_000.0


def metrics_of(lines: Iterator[str], began: float = BEGAN) -> bytes:
    """metrics.jsonl of a trainer's lines, as the supervisor writes it."""
    parser, rows = Parser(), []
    for number, line in enumerate(lines):
        rows += [{"attempt": 1, **row, "at": began + number} for row in parser.feed(line.rstrip("\n"))]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def long_log(iters: int) -> Iterator[str]:
    """What PaddleSeg would print, each iteration logged, with evaluations; the numbers are made."""
    for number in range(1, iters + 1):
        loss = (
            0.2 + 2.5 * math.exp(-number / (iters / 8)) + 0.05 * math.sin(number * 12.9898) * math.exp(-number / iters)
        )
        rate = 0.01 * (1 - number / iters) ** 0.9
        yield (
            f"2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 1, iter: {number}/{iters}, loss: {loss:.4f}, lr: {rate:.6f}, "
            f"batch_cost: 0.4000, reader_cost: {0.2 if number % 7 else 0.1:.5f}, ips: 5.0 samples/sec | ETA 01:00:07"
        )
        if number % (iters // 20) == 0:
            yield f"[INFO]\t[EVAL] #Images: 500 mIoU: {0.8 * number / iters:.4f} Acc: 0.9 Kappa: 0.8 Dice: 0.7"
            best = f"the best validation mIoU ({0.8 * number / iters:.4f})"
            yield f"[INFO]\t[EVAL] The model with {best} was saved at iter {number}."


def samples(count: int, cards: tuple[int, ...]) -> bytes:
    rows: list[dict[str, Any]] = []
    for number in range(count):
        at = BEGAN + 10 * number
        used = 8000 + number
        host = {
            "cpu_percent": 40 + number % 9,
            "memory_used_mib": used,
            "memory_total_mib": 64000,
            "disk_free_mib": 90000,
        }
        rows.append({"kind": "host", "at": at, "attempt": 1, **host})
        told: list[dict[str, Any]] = [
            {
                "card": card,
                "load_percent": 97 - (number * card) % 5,
                "memory_used_mib": 30000 + card,
                "memory_total_mib": 65536,
                "temperature_c": 50 + card,
                "power_w": None,
            }
            for card in cards
        ]
        rows.append({"kind": "cards", "at": at, "attempt": 1, "cards": told})
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def stage(name: str, state: str, began: float | None, ended: float | None, reason: str | None = None) -> dict[str, Any]:
    at = {"started_at": began and BEGAN + began, "ended_at": ended and BEGAN + ended}
    return {"name": name, "state": state, **at, "attempts": 1 if began is not None else 0, "reason": reason}


def evidence(run_id: str, state: str, data: bytes = b"", **fields: Any) -> Evidence:
    metrics = Metrics()
    metrics.feed(data)
    status = {
        "state": state,
        "stage": "train",
        "started_at": BEGAN,
        "ended_at": BEGAN + 900,
        "cards": [4, 5],
        "stages": [],
    }
    job = {
        "submitted_by": "alice@laptop",
        "submitted_at": BEGAN - 60,
        "device": "npu",
        "cards": 2,
        "code": {"git": "https://github.com/PaddlePaddle/PaddleSeg", "ref": "npu_cann8.0", "commit": "ccc3d42d" * 5},
        "job": {"name": "deeplabv3p", "env": {"OMP_NUM_THREADS": "1"}},
    }
    return Evidence(
        run_id=run_id,
        host_name=fields.pop("host_name", "lab-a"),
        status={**status, **fields.pop("status", {})},
        metrics=metrics,
        job={**job, **fields.pop("job", {})},
        **fields,
    )


def finished() -> Evidence:
    stages = [
        stage("environment", "SUCCEEDED", 0, 128),
        stage("data", "SUCCEEDED", 128, 130),
        stage("train", "SUCCEEDED", 130, 800),
        stage("infer", "SUCCEEDED", 800, 900),
    ]
    with CAPTURED.open() as lines:
        data = metrics_of(lines) + samples(90, (4, 5))
    versions = {"paddlepaddle": "3.3.1", "numpy": "2.3.5"}
    environment = {"path": "/home/alice/jobctl/environments/3b94", "versions": versions}
    return evidence(
        "deeplabv3p-20261123-5f3a",
        "SUCCEEDED",
        data,
        status={"stages": stages},
        environment=environment,
        pictures=[picture()],
    )


def failed() -> Evidence:
    """With what an attacker might say wherever a run can say something."""
    reason = f"rank 1 was first: ValueError: {XSS}"
    verdict = {
        "kind": "crash",
        "stage": "train",
        "attempt": 1,
        "rank": 1,
        "line": f"ValueError: {XSS}",
        "ended": "exit code 1",
    }
    verdict["evidence"] = ["Traceback (most recent call last):", f'  File "train.py", line 9 {XSS}', "ValueError: 中文"]
    stages = [stage("environment", "SUCCEEDED", 0, 20), stage("train", "FAILED", 20, 60, reason)]
    nan = ["[TRAIN] epoch: 1, iter: 1/9, loss: 2.5, lr: 0.01, ips: 2.0 samples/sec | ETA 0:00:09"]
    nan += ["[TRAIN] epoch: 1, iter: 2/9, loss: nan, lr: 0.01, ips: 2.0 samples/sec | ETA 0:00:08"]
    return evidence(
        f"failed {XSS} 中文",
        "FAILED",
        metrics_of(iter(nan)),
        host_name=f"lab {XSS}",
        status={"stages": stages, "verdict": verdict, "warnings": [{"kind": "disk", "text": f"disk {XSS}"}]},
        job={"submitted_by": XSS, "job": {"name": XSS, "env": {XSS: XSS}}},
        config=XSS,
        environment={"versions": {XSS: XSS}},
        pictures=[Picture(XSS, picture().prediction, None, True)],
        notes=[XSS],
        age_s=3700.0,
    )


def queued() -> Evidence:
    waiting = {"stages": [stage("train", "WAITING", None, None)], "started_at": None, "ended_at": None, "stage": None}
    why = "4 cards are asked for; 4, 5, 6, 7 are held by other-20261122-aaaa (bob@desk)"
    return evidence("deeplabv3p-20261123-9c01", "QUEUED", status={**waiting, "reason": why, "cards": []})


def long(iters: int = 80_000) -> Evidence:
    return evidence("long-20261123-0001", "RUNNING", metrics_of(long_log(iters)))


def picture() -> Picture:
    """A prediction as `infer.py` writes it, with a palette that is not that of Cityscapes, over a picture."""
    width, height = 160, 80
    classes = bytes((x // 20 + (y // 20) * 3) % 19 for y in range(height) for x in range(width))
    grey = make_png(bytes((x + y) % 256 for y in range(height) for x in range(width)), width, height)
    predicted = with_cityscapes_palette(paletted_png(classes, width, height))
    assert predicted is not None
    prediction, source = data_uri(predicted), data_uri(grey)
    assert prediction
    return Picture("frankfurt_000001.png", prediction, source, True)


def paletted_png(classes: bytes, width: int, height: int) -> bytes:
    """A PNG of class numbers whose palette is grey."""
    rows = b"".join(b"\0" + classes[start : start + width] for start in range(0, len(classes), width))
    palette = bytes(value for number in range(256) for value in (number, number, number))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
