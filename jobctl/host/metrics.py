"""What PaddleSeg says of a training, as data. Pure: lines in, dicts out.

The formats are those of paddleseg/core/train.py and val.py: 2.8.0 and the branch npu_cann8.0 (2.9.0), 2.9.1 (adds
`max_mem_reserved`), and develop (another prefix). The prefix is not looked at. Only rank 0 logs.
"""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, Optional

Record = Dict[str, Any]

_PAIR = re.compile(r"([A-Za-z_#][A-Za-z0-9_#]*): *([^,|\s]+)")
_ETA = re.compile(r"\| *ETA +(.+?)\s*$")
_BEST = re.compile(r"best validation (\w+) \(([^)\s]+)\) was saved at iter (\d+)")
_CLASS = re.compile(r"\[EVAL\] Class (\w+): *$")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf)")

_FURTHER = re.compile(r"[A-Za-z]\w{0,39}\Z")

_TRAIN_NAMES = {
    "loss": "loss",
    "lr": "lr",
    "batch_cost": "batch_cost_s",
    "reader_cost": "reader_cost_s",
    "ips": "ips",
    "max_mem_reserved": "max_mem_reserved_mib",
    "max_mem_allocated": "max_mem_allocated_mib",
}
_EVAL_NAMES = {"mIoU": "miou", "Acc": "acc", "Kappa": "kappa", "Dice": "dice", "Auc_roc": "auc_roc"}


class Parser:
    """Lines of rank 0's log, in order, to records:

    {"kind": "train", "iter", "iters", "epoch", "loss", "lr", "batch_cost_s", "reader_cost_s", "ips", "eta_s"}
                     and whatever else of the line has "loss" in its name, such as "aux_loss"
    {"kind": "eval", "iter", "images", "miou", "acc", "kappa", "dice"}       iter: of the last train line
    {"kind": "class", "iter", "name": "iou" | "precision" | "recall", "values": [...]}
    {"kind": "best", "iter", "miou"}

    A value that is not finite is None, and its name stands in "not_finite".
    """

    def __init__(self) -> None:
        self._iter: Optional[int] = None
        self._class_name: Optional[str] = None
        self._class_text = ""

    def feed(self, line: str) -> List[Record]:
        """The records that `line` completes: none or one."""
        if self._class_name is not None and "[EVAL]" not in line:
            return self._feed_array(line)
        self._class_name = None
        if "[TRAIN]" in line:
            return self._train(line)
        if "[EVAL]" in line:
            return self._eval(line)
        return []

    def _train(self, line: str) -> List[Record]:
        pairs = dict(_PAIR.findall(line[line.index("[TRAIN]") :]))
        done, _, total = pairs.get("iter", "").partition("/")
        if not (done.isdigit() and total.isdigit()):
            return []
        self._iter = int(done)
        record: Record = {"kind": "train", "iter": int(done), "iters": int(total)}
        if pairs.get("epoch", "").isdigit():
            record["epoch"] = int(pairs["epoch"])
        further = {name: name for name in pairs if "loss" in name.lower() and _FURTHER.match(name)}
        _take(record, pairs, {**further, **_TRAIN_NAMES})
        eta = _ETA.search(line)
        if eta:
            record["eta_s"] = parse_eta(eta.group(1))
        return [record]

    def _eval(self, line: str) -> List[Record]:
        best = _BEST.search(line)
        if best:
            found: Record = {"kind": "best", "iter": int(best.group(3))}
            _take(found, {best.group(1): best.group(2)}, _EVAL_NAMES)
            return [found]
        start = _CLASS.search(line)
        if start:
            self._class_name, self._class_text = start.group(1).lower(), ""
            return []
        pairs = dict(_PAIR.findall(line[line.index("[EVAL]") :]))
        if not pairs.get("#Images", "").isdigit():
            return []
        record: Record = {"kind": "eval", "iter": self._iter, "images": int(pairs["#Images"])}
        _take(record, pairs, _EVAL_NAMES)
        return [record]

    def _feed_array(self, line: str) -> List[Record]:
        self._class_text += " " + line.strip()
        name, text = self._class_name, self._class_text.strip()
        if not text.startswith("[") or len(text) > 100000:
            self._class_name = None
            return []
        if "]" not in text:
            return []
        self._class_name = None
        values = [number(word) for word in _NUMBER.findall(text[: text.index("]")])]
        return [{"kind": "class", "iter": self._iter, "name": name, "values": values}]


class Progress:
    """Folds records to the `progress` of status.json: the latest of everything, and the best of all attempts.

    `fields` is what an earlier supervisor of the run had come to.
    """

    def __init__(self, fields: Optional[Record] = None) -> None:
        self._fields: Record = dict(fields or {})

    def feed(self, record: Record) -> bool:
        """Take one record in; True when it changed what is shown."""
        kind = record["kind"]
        if kind == "best":
            best, new = self._fields.get("best_miou"), record.get("miou")
            if best is not None and (new is None or new < best):
                return False  # a training that goes on forgets what was best (PaddleSeg 2.9.0)
            news = {"best_iter": record["iter"], "best_miou": record.get("miou")}
        elif kind in ("train", "eval"):
            hidden = ("kind", "images", "not_finite", "attempt") + (("iter",) if kind == "eval" else ())
            news = {name: value for name, value in record.items() if name not in hidden}
        else:
            return False
        self._fields.update(news)
        return True

    def as_dict(self) -> Record:
        return dict(self._fields)


def parse_eta(text: str) -> Optional[int]:
    """Seconds of "00:00:07", "123:00:07" or "1 day, 2:03:04"; None for anything else."""
    match = re.match(r"(?:(\d+) days?, *)?(\d+):(\d\d):(\d\d)$", text)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _take(record: Record, pairs: Dict[str, str], names: Dict[str, str]) -> None:
    for theirs, ours in names.items():
        if theirs not in pairs:
            continue
        record[ours] = number(pairs[theirs])
        if record[ours] is None:
            record.setdefault("not_finite", []).append(ours)


def number(text: str) -> Optional[float]:
    """The number that `text` is, if it is a finite one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
