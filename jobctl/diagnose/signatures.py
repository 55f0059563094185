"""The catalogue: what a line in a log can mean. The data are `catalogue/*.yaml`; this reads and checks them.

A signature is
  id        its name
  lines     regular expressions; one that matches a line is a hit. Case does not count
  codes     numbers, such as 507033, that count on a line that speaks of an error
  with      regular expressions that must all match somewhere in the logs, else it is no hit
  without   ... none of which may match
  weight    how much it says of the cause: 80 and more, the message names it; 60, a strong sign; 40, a weak one;
            20, a code that stands for many causes
  symptom   true where it names a victim: it ranks behind every cause
  notice    true where programs that succeed say it too: it ranks behind all else
  causes    what it can mean, likeliest first, each with
    category  of CATEGORIES
    sure      established: the message itself says so. likely, possible: there are other explanations
    summary   one sentence
    why       how it comes about, likeliest first
    remedy    what to do
  source    where the fact comes from
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jobctl.diagnose.patterns import Line, make_lines

CATEGORIES = frozenset(
    "aicore_exception cann_env_not_sourced cann_python_deps_missing cann_version_mismatch checkpoint_corrupt "
    "dataset_missing device_busy device_not_mounted disk_full_or_io docker_image_missing docker_wrong_arch "
    "driver_firmware_mismatch hccl_connect_timeout hccl_exec_timeout hccp_port host_oom_kill hw_ecc "
    "labels_out_of_range nan_loss oom_hbm op_fallback_cpu op_unsupported_or_failed other paddle_plugin_mismatch "
    "pip_index_unreachable port_in_use pretrained_download_failed py_abi_mismatch rank_crash_propagates shm_too_small "
    "silently_on_cpu ssh_drop ulimit_files ulimit_threads wheel_not_for_platform wrong_device_mapping "
    "wrong_hardware".split()
)
SURE = ("established", "likely", "possible")
_FIELDS = {"id", "lines", "codes", "with", "without", "weight", "symptom", "notice", "causes", "source"}
_CAUSE_FIELDS = {"category", "sure", "summary", "why", "remedy"}
SPEAKS_OF_AN_ERROR = re.compile(r"err|fail|code|\bret|result|exception|\bacl|\brt[A-Z]|abnormal|timeout", re.IGNORECASE)


@dataclass(frozen=True)
class Explanation:
    """One thing that a signature can mean."""

    category: str
    sure: str
    summary: str
    remedy: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signature:
    id: str
    lines: tuple[Line, ...]
    codes: re.Pattern[str] | None
    """Numbers that count on a line that SPEAKS_OF_AN_ERROR."""
    with_: tuple[re.Pattern[str], ...]
    without: tuple[re.Pattern[str], ...]
    weight: int
    symptom: bool
    notice: bool
    causes: tuple[Explanation, ...]
    source: str


@cache
def load_catalogue() -> tuple[Signature, ...]:
    """All signatures that are shipped. Raises ValueError for one that is not well formed, and says which."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML has it
    folder = resources.files(__package__) / "catalogue"
    found: dict[str, Signature] = {}
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".yaml"):
            continue
        for raw in yaml.load(file.read_text("utf-8"), loader):  # noqa: S506 - a safe one
            signature = make_signature(raw, file.name)
            if signature.id in found:
                raise ValueError(f"{file.name}: two signatures are called {signature.id}")
            found[signature.id] = signature
    return tuple(found.values())


def make_signature(raw: dict[str, Any], where: str) -> Signature:
    """A signature from its data. Raises ValueError."""
    name = f"{where}: {raw.get('id', '(without an id)')}"
    unknown = set(raw) - _FIELDS
    if unknown or not raw.get("id") or not raw.get("causes") or not raw.get("source"):
        raise ValueError(f"{name}: unknown or missing fields: {', '.join(sorted(unknown)) or 'id, causes, source'}")
    if not raw.get("lines") and not raw.get("codes"):
        raise ValueError(f"{name}: neither lines nor codes")
    try:
        lines = tuple(line for source in raw.get("lines", []) for line in make_lines(source))
        with_, without = (tuple(map(_compiled, raw.get(field, []))) for field in ("with", "without"))
    except re.error as error:
        raise ValueError(f"{name}: {error}: {error.pattern!r}") from None
    return Signature(
        id=raw["id"],
        lines=lines,
        codes=_of_codes(raw.get("codes", [])),
        with_=with_,
        without=without,
        weight=int(raw["weight"]),
        symptom=bool(raw.get("symptom", False)),
        notice=bool(raw.get("notice", False)),
        causes=tuple(_explanation(cause, name) for cause in raw["causes"]),
        source=raw["source"],
    )


def _explanation(raw: dict[str, Any], name: str) -> Explanation:
    if set(raw) - _CAUSE_FIELDS or raw.get("category") not in CATEGORIES or raw.get("sure") not in SURE:
        raise ValueError(f"{name}: a cause needs category, sure, summary, remedy (and why): {raw}")
    return Explanation(raw["category"], raw["sure"], raw["summary"], raw["remedy"], tuple(raw.get("why", ())))


def _of_codes(codes: list[int | str]) -> re.Pattern[str] | None:
    return re.compile(rf"(?<![\w.])(?:{'|'.join(map(str, codes))})(?![\w.]\w|\w)") if codes else None


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)
