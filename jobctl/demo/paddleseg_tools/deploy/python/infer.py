"""Predict with an exported model as PaddleSeg's deploy/python/infer.py does: one <name>.png an image in --save_dir."""

import argparse
import os

import numpy as np
from paddle import inference
from paddleseg.deploy.infer import DeployConfig
from paddleseg.utils import get_image_list, logger
from paddleseg.utils.visualize import get_pseudo_color_map


def parse_args():
    parser = argparse.ArgumentParser(description="Predict with an exported model.")
    parser.add_argument("--config", required=True, help="The deploy.yaml of the exported model.")
    parser.add_argument("--image_path", required=True, help="An image, a folder, or a file that lists images.")
    parser.add_argument("--save_dir", default="./output")
    parser.add_argument("--device", default="cpu", choices=["cpu", "npu"])
    parser.add_argument("--cpu_threads", type=int, default=10)
    parser.add_argument("--with_argmax", action="store_true", help="The model gives scores: take the best class.")
    return parser.parse_args()


def make_predictor(deploy, args):
    config = inference.Config(deploy.model, deploy.params)
    config.enable_memory_optim()
    if args.device == "npu":
        config.enable_custom_device("npu")
    else:
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(args.cpu_threads)
    return inference.create_predictor(config)


def predict(predictor, image):
    """The network's first output for one image, an array of C x H x W."""
    source = predictor.get_input_handle(predictor.get_input_names()[0])
    source.reshape(image[np.newaxis].shape)
    source.copy_from_cpu(image[np.newaxis])
    predictor.run()
    return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()[0]


def main():
    args = parse_args()
    deploy = DeployConfig(args.config)
    predictor = make_predictor(deploy, args)
    os.makedirs(args.save_dir, exist_ok=True)
    for path in get_image_list(args.image_path)[0]:
        result = predict(predictor, deploy.transforms({"img": path})["img"])
        classes = np.argmax(result, axis=0) if args.with_argmax else result
        name = os.path.splitext(os.path.basename(path))[0] + ".png"
        get_pseudo_color_map(classes).save(os.path.join(args.save_dir, name))
    logger.info("Finish")


if __name__ == "__main__":
    main()
