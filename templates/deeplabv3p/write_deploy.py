"""Checks an exported model, and writes the deploy.yaml that the tutorial's inference step reads.

    python write_deploy.py output/deeplabv3p_resnet50_inference_model

The tutorial promises inference.pdmodel, inference.pdiparams and inference.pdiparams.info, which PaddleSeg writes with
--for_fd only; it then calls the description inference.yml, and inference reads deploy.yaml. They have the same content.
"""

import os
import shutil
import sys

EXPECTED = ("inference.pdmodel", "inference.pdiparams", "inference.pdiparams.info", "inference.yml")


def main():
    """Check the folder of the command line, and write its deploy.yaml."""
    folder = sys.argv[1]
    missing = [name for name in EXPECTED if not os.path.isfile(os.path.join(folder, name))]
    if "inference.pdmodel" in missing and os.path.isfile(os.path.join(folder, "inference.json")):
        return folder + ": exported in Paddle 3's new format (inference.json): FLAGS_enable_pir_api=0 was not respected"
    if missing:
        return "{}: the export left no {}".format(folder, ", ".join(missing))
    part = os.path.join(folder, "deploy.yaml.part")
    shutil.copyfile(os.path.join(folder, "inference.yml"), part)
    os.replace(part, os.path.join(folder, "deploy.yaml"))
    print("{}: {} and deploy.yaml".format(folder, ", ".join(EXPECTED)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
