"""One connection for several calls: `with api.keep_open(): api.submit(...); api.logs(...)`."""

from jobctl.remote.connect import keep_open
from jobctl.remote.shared import SharedChannels

__all__ = ["SharedChannels", "keep_open"]
