"""What paddleseg 2.8.0 (2023) needs to train on paddlepaddle 3.x (seen with 3.3.1), and nothing more.

Paddle 3 has 0-D tensors and no longer mixes float32 with int64; paddleseg's release 2.9 was adapted, but PyPI ends at
2.8.0. Each repair says what fails without it.
"""

import importlib

import paddle
from paddleseg.models.losses import CrossEntropyLoss
from paddleseg.utils import metrics


def apply_repairs():
    """Call once, before anything is built."""
    _repair_loss_types()
    _repair_loss_shape()
    metrics.calculate_area = calculate_area


def _repair_loss_types():
    """CrossEntropyLoss multiplies its float32 mask with weights made like the int64 labels: a type error.

    Labels as float32 (all below 256, so exact) give float32 weights. With class weights the labels index a table and
    must stay integers; the demo has none.
    """
    post_process = CrossEntropyLoss._post_process_loss

    def with_float_labels(self, logit, label, semantic_weights, loss):
        if self.weight is None:
            label = label.astype("float32")
        return post_process(self, logit, label, semantic_weights, loss)

    CrossEntropyLoss._post_process_loss = with_float_labels


def _repair_loss_shape():
    """core.train takes element 0 of each loss, which is a 0-D tensor now: give it the one dimension it had."""
    # `paddleseg.core.train` as an attribute is the function of that name; the module is meant here.
    core_train = importlib.import_module("paddleseg.core.train")
    compute = core_train.loss_computation

    def with_one_dimension(*args, **kwargs):
        return [loss.reshape([1]) for loss in compute(*args, **kwargs)]

    core_train.loss_computation = with_one_dimension


def calculate_area(pred, label, num_classes, ignore_index=255):
    """Pixels of each class: (in both, predicted, true), three int64 tensors of `num_classes`.

    In place of the library's, which concatenates one 0-D tensor a class: "concat expects at least 1-D".
    """
    pred, label = pred.flatten().astype("int64"), label.flatten().astype("int64")
    nothing = paddle.full_like(label, num_classes)
    counted = label != ignore_index
    pred = paddle.where(counted, pred, nothing)
    label = paddle.where(counted & (label < num_classes), label, nothing)
    both = paddle.where(pred == label, pred, nothing)
    return tuple(paddle.bincount(each, minlength=num_classes + 1)[:num_classes] for each in (both, pred, label))
