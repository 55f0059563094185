"""Export as PaddleSeg's tools/export.py does: the same flags, and the same files in --save_dir."""

import argparse
import os

import paddle
import yaml
from paddleseg.cvlibs import Config, SegBuilder
from paddleseg.deploy.export import WrappedModel
from paddleseg.utils import logger, utils


def parse_args():
    parser = argparse.ArgumentParser(description="Export an inference model.")
    parser.add_argument("--config", required=True)
    parser.add_argument("--model_path", help="The trained weights (model.pdparams).")
    parser.add_argument("--save_dir", default="./output/inference_model")
    parser.add_argument("--input_shape", nargs="+", type=int, help="Fixed, as in 1 3 512 1024; default: any size.")
    parser.add_argument("--output_op", default="argmax", choices=["argmax", "softmax", "none"])
    parser.add_argument("--for_fd", action="store_true", help="inference.* and inference.yml in place of model.*.")
    return parser.parse_args()


def main():
    args = parse_args()
    config = Config(args.config)
    utils.show_env_info()
    utils.show_cfg_info(config)
    os.environ["PADDLESEG_EXPORT_STAGE"] = "True"  # some of the library's layers look at it
    model = SegBuilder(config).model
    if args.model_path is not None:
        model.set_dict(paddle.load(args.model_path))
        logger.info("Loaded trained params successfully.")
    if args.output_op != "none":
        model = WrappedModel(model, args.output_op)
    model.eval()

    shape = args.input_shape or [None, 3, None, None]
    name = "inference" if args.for_fd else "model"
    inputs = [paddle.static.InputSpec(shape=shape, dtype="float32")]
    paddle.jit.save(paddle.jit.to_static(model, input_spec=inputs), os.path.join(args.save_dir, name))
    deploy = {
        "model": name + ".pdmodel",
        "params": name + ".pdiparams",
        "transforms": config.val_dataset_cfg["transforms"],
        "input_shape": shape,
        "output_op": args.output_op,
        "output_dtype": "int32" if args.output_op == "argmax" else "float32",
    }
    with open(os.path.join(args.save_dir, "inference.yml" if args.for_fd else "deploy.yaml"), "w") as file:
        yaml.safe_dump({"Deploy": deploy}, file)
    logger.info(f"The inference model is saved in {args.save_dir}")


if __name__ == "__main__":
    main()
