"""Models by name: the paper's nine (Table 2), built by torchvision, and users' own."""

from __future__ import annotations

import warnings
from typing import Any, Final

from torch import nn
from torchvision import models as torchvision_models  # type: ignore[import-untyped]

from pytest_energybench.experiment.training.hardware import place
from pytest_energybench.experiment.training.model_names import check_model, own_models

AUX_SIZE: Final = 299
"""InceptionV3's auxiliary head needs the feature map of its design size, 299 px, in pixels."""


def uses_aux_head(name: str, image_size: int) -> bool:
    """Whether the model trains with an auxiliary head at this input size (pixels)."""
    return name == "inception_v3" and image_size >= AUX_SIZE


def build(name: str, classes: int, image_size: int) -> nn.Module:
    """The model with random weights and a head for `classes`, float32, channels_last, on the CPU.

    Takes images (batch, 3, size, size), gives logits (batch, classes); InceptionV3 in training mode
    at 299 px and more gives torchvision's `InceptionOutputs` with the auxiliary head's beside them.
    Draws from torch's global generator: seed it first. Raises SettingError for an unknown name.
    """
    check_model(name)
    if name in own_models:
        return place(own_models[name].build(classes, image_size))
    options: dict[str, Any] = {}
    if name == "inception_v3":
        # Its own initialisation (deviation 0.1 everywhere) starts at a loss of some hundreds
        # on small inputs; torch's default is what torchvision announces as the future one.
        # `transform_input` turns ImageNet's normalisation, which all data here have, into the
        # one that its published weights were trained with.
        options = {
            "aux_logits": uses_aux_head(name, image_size),
            "init_weights": False,
            "transform_input": True,
        }
    if name == "convnext_base":
        # torchvision's 0.5 drops half of the deep blocks at random in every step, which is meant
        # for 600 epochs from random weights; in a handful of epochs it is noise in loss and energy.
        options = {"stochastic_depth_prob": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model: nn.Module = torchvision_models.get_model(
            name, weights=None, num_classes=classes, **options
        )
    return place(model)


def is_head(name: str, key: str) -> bool:
    """Whether `key` of the model's state dict belongs to a layer whose size is the classes'."""
    heads = own_models[name].heads if name in own_models else _HEADS[name]
    return key.rpartition(".")[0] in heads


_HEADS: Final[dict[str, tuple[str, ...]]] = {
    "alexnet": ("classifier.6",),
    "resnet18": ("fc",),
    "resnet34": ("fc",),
    "resnet50": ("fc",),
    "resnet101": ("fc",),
    "inception_v3": ("fc", "AuxLogits.fc"),
    "densenet121": ("classifier",),
    "vgg16": ("classifier.6",),
    "convnext_base": ("classifier.2",),
}
