"""The environment that Paddle expects on Ascend, as data.

Source: the tutorial's image, PaddlePaddle/PaddleCustomDevice, `backends/npu/tools/dockerfile` (`ENV` lines, CANN 8.0
images). A bare venv lacks these variables, and so does an ssh login into a container: sshd drops Docker's `ENV`.
CANN's own variables are not here: `set_env.sh` sets them and a job names it under `environment.source`.
Read, never run on a card: no NPU was at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CONTRACT: Mapping[str, str] = MappingProxyType(
    {
        # Up to paddlepaddle 3.2.2 the launcher knows of the cards by it alone: without it --devices ends in
        # "ValueError: substring not found" (launch/context/device.py). 3.3.1 asks the plugin, and tells the ranks.
        "PADDLE_XCCL_BACKEND": "npu",
        # Seconds. Two hours: cards that cannot reach each other look like a hang until then.
        "HCCL_CONNECT_TIMEOUT": "7200",
        "HCCL_WHITELIST_DISABLE": "1",
        "HCCL_SECURITY_MODE": "1",
        # MiB for each buffer of a communicator.
        "HCCL_BUFFSIZE": "120",
        # 0: no private memory layouts.
        "FLAGS_npu_storage_format": "0",
        "FLAGS_use_stride_kernel": "0",
        "FLAGS_allocator_strategy": "naive_best_fit",
        # 3: errors only.
        "ASCEND_GLOBAL_LOG_LEVEL": "3",
    }
)
"""Environment of every stage of a job with device npu. A job's own `env` wins over each of them."""
