"""Writes a yml that is another one with some values changed.

    python derive_config.py BASE TARGET '{"model": {"backbone": {"type": "ResNet101_vd"}}}'

PaddleSeg takes changes on the command line of training and evaluation only (--opts), not of export, which would then
build another model than the one that was trained. A derived file (`_base_`) is the same for all of them.
"""

import json
import os
import sys

from yml import to_yaml


def main():
    """Write TARGET."""
    base, target, overrides = sys.argv[1:]
    if not os.path.isfile(base):
        return f"the config {base} is not in the code tree"
    lines = ["_base_: " + to_yaml(os.path.abspath(base))]
    lines += [f"{to_yaml(key)}: {to_yaml(value)}" for key, value in json.loads(overrides).items()]
    with open(target + ".part", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(target + ".part", target)
    print("{}: {} with {} changed".format(target, base, ", ".join(json.loads(overrides))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
