"""Is this Python environment fit for the job? Run once, before the environment is kept for later runs.

python check_runtime.py npu
"""

import os
import sys


def main():
    """Import what training imports, and ask Paddle for the device."""
    device = sys.argv[1]
    for folder in (sys.prefix, os.getcwd()):
        if "," in folder:
            # paddlepaddle 3.3.1, jit/dy2static/origin_info.py: it splits the lines of a call stack at commas.
            told = f"Paddle cannot export a model from a folder with a comma in its path: {folder!r}."
            return f"{told} Use another work_dir"
    import cv2  # opencv-python 4.5 imports with numpy 1 only
    import numpy
    import paddle

    print(f"paddle {paddle.__version__}, numpy {numpy.__version__}, opencv {cv2.__version__}")
    if tuple(int(part) for part in numpy.__version__.split(".")[:2]) >= (2, 4):
        return f"numpy {numpy.__version__}: paddle.flops fails with 2.4, after everything was trained. Use numpy<2"
    if device == "cpu":
        return 0
    found = paddle.device.get_all_custom_device_type()
    if device not in found:
        told = f"Paddle sees no {device} (custom devices: {found or 'none'}). Is paddle-custom-npu installed, of the "
        return told + "same date as paddlepaddle, and was CANN's set_env.sh sourced?"
    from paddle_custom_device import npu

    print(f"paddle-custom-npu: {npu.version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
