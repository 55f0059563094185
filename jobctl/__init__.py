"""jobctl: submit PaddlePaddle training jobs from a laptop to Ascend hosts over SSH, watch them, pull the results."""

from __future__ import annotations

TYPE_CHECKING = False  # as that of `typing`, which takes its time to import
if TYPE_CHECKING:
    from jobctl.api.frames import Runs

__all__ = ["Runs", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`Runs` when it is first asked for: whoever only wants the version waits for nothing."""
    if name == "Runs":
        from jobctl.api.frames import Runs

        return Runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
