"""Train as PaddleSeg's tools/train.py does: the same flags, the same library underneath, so the same log lines."""

import argparse
import os
import sys

import repairs
from paddleseg.core import train
from paddleseg.cvlibs import Config, SegBuilder
from paddleseg.utils import utils


def parse_args():
    parser = argparse.ArgumentParser(description="Train a segmentation model.")
    parser.add_argument("--config", required=True)
    parser.add_argument("--device", default="cpu", choices=["cpu", "gpu", "xpu", "npu", "mlu"])
    parser.add_argument("--save_dir", default="./output")
    parser.add_argument("--num_workers", type=int, default=0)
    parser.add_argument("--do_eval", action="store_true")
    parser.add_argument("--use_vdl", action="store_true")
    parser.add_argument("--use_ema", action="store_true")
    parser.add_argument("--resume_model")
    parser.add_argument("--iters", type=int)
    parser.add_argument("--batch_size", type=int, help="Per process.")
    parser.add_argument("--learning_rate", type=float)
    parser.add_argument("--save_interval", type=int, default=1000)
    parser.add_argument("--log_iters", type=int, default=10)
    parser.add_argument("--keep_checkpoint_max", type=int, default=5)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "fp16"])
    parser.add_argument("--amp_level", default="O1", choices=["O1", "O2"])
    parser.add_argument("--opts", nargs="+")
    return parser.parse_args()


def main():
    args = parse_args()
    repairs.apply_repairs()
    config = Config(
        args.config,
        learning_rate=args.learning_rate,
        iters=args.iters,
        batch_size=args.batch_size,
        opts=args.opts,
    )
    builder = SegBuilder(config)
    utils.show_env_info()
    utils.show_cfg_info(config)
    utils.set_seed(args.seed)
    utils.set_device(args.device)
    utils.set_cv2_num_threads(args.num_workers)
    train(
        utils.convert_sync_batchnorm(builder.model, args.device),
        builder.train_dataset,
        val_dataset=builder.val_dataset if args.do_eval else None,
        optimizer=builder.optimizer,
        losses=builder.loss,
        iters=config.iters,
        batch_size=config.batch_size,
        test_config=config.test_config,
        save_dir=args.save_dir,
        resume_model=args.resume_model,
        save_interval=args.save_interval,
        log_iters=args.log_iters,
        num_workers=args.num_workers,
        use_vdl=args.use_vdl,
        use_ema=args.use_ema,
        keep_checkpoint_max=args.keep_checkpoint_max,
        precision=args.precision,
        amp_level=args.amp_level,
    )
    leave()


def leave():
    """Exit with 0 at once. Gloo ranks now and then meet a SIGSEGV while Python ends (paddlepaddle 3.3.1, CPU), and the
    launcher then ends those that are still saving."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
