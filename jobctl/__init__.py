"""jobctl: submit PaddlePaddle training jobs from a laptop to Ascend hosts over SSH, watch them, pull the results."""

__version__ = "0.1.0"
