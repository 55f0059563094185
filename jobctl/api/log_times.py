"""What a user writes for "since then"."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from jobctl.errors import InputError

_AGO = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_since(text: str) -> dict[str, Any]:
    """`10m`, `2h`, `90s`, `1d` ago: {"ago_s"}; a time with its zone (`2026-11-23T00:13:07+08:00`, `...Z`): {"at"};
    `2026-11-23`, `2026-11-23 00:13[:07]`, as it stands in the logs, so in the host's zone: {"wall"}. Raises InputError.
    """
    word = text.strip()
    if match := _AGO.fullmatch(word):
        return {"ago_s": float(match[1]) * _SECONDS[match[2]]}
    try:
        # "/" is PaddleSeg's develop branch; Python 3.10 does not know "Z".
        found = datetime.fromisoformat(re.sub(r"^(\d{4})/(\d\d)/", r"\1-\2-", re.sub(r"[zZ]$", "+00:00", word)))
    except ValueError:
        raise InputError(
            "not a time to begin at",
            where="--since",
            value=text,
            hint="a while ago, such as 10m or 2h; or a time as in the log, such as '2026-11-23 00:13:07'",
        ) from None
    if found.tzinfo is not None:
        return {"at": found.timestamp()}
    return {"wall": [found.year, found.month, found.day, found.hour, found.minute, found.second]}
