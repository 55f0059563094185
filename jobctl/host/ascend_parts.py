"""What of an Ascend host a container needs: device nodes, the driver's files. Sources: PaddleCustomDevice's README
(backends/npu) for the mounts, vllm-ascend's installation page for the devices without `--privileged`.
"""

from __future__ import annotations

import os
from typing import List, Sequence

from .container_argv import Mount

DRIVER = "/usr/local/Ascend/driver"
FILES = (
    DRIVER,
    "/usr/local/bin/npu-smi",
    "/usr/local/dcmi",
    "/usr/local/Ascend/version.info",
    "/etc/ascend_install.info",
    "/etc/hccn.conf",
    "/usr/bin/hccn_tool",
)
"""Mounted read-only under the same name, where they exist."""

SHARED_DEVICES = ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
"""All containers with a card need them."""


class NoDevice(Exception):
    """A card that is held has no device node; the message says which."""


def mounts() -> List[Mount]:
    """Those of FILES that this host has."""
    return [Mount(path, path, True) for path in FILES if os.path.exists(path)]


def node_numbers(devices: Sequence[int], nodes: Sequence[int]) -> List[int]:
    """N of /dev/davinciN for cards as the host's runtime numbers them. `nodes`: each N, rising. Raises NoDevice.

    The runtime counts the nodes that it sees in rising order: where 3 is missing, its number 3 is /dev/davinci4.
    """
    if not nodes:
        raise NoDevice("this host has no /dev/davinci*: the driver is not loaded, or not for this user")
    if max(devices, default=0) >= len(nodes):
        raise NoDevice("npu-smi counts more cards than there are /dev/davinci* ({})".format(len(nodes)))
    return [nodes[device] for device in devices]


def nodes_of(numbers: Sequence[int]) -> List[str]:
    """The device nodes for these cards, and those that all cards share, where they exist."""
    return ["/dev/davinci{}".format(number) for number in numbers] + [
        path for path in SHARED_DEVICES if os.path.exists(path)
    ]


def groups_of(paths: Sequence[str]) -> List[int]:
    """The groups that own these nodes, where only a group may use them."""
    found = []
    for path in paths:
        try:
            info = os.stat(path)
        except OSError:
            continue
        if info.st_mode & 0o006 != 0o006 and info.st_mode & 0o060:
            found.append(info.st_gid)
    return sorted(set(found))
