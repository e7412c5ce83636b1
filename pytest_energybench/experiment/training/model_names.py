"""Which models there are by name: the paper's nine, and those that a user adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.language.sizes import ARCHITECTURES

if TYPE_CHECKING:
    from torch import nn

MODELS: Final = (
    "alexnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "inception_v3",
    "densenet121",
    "vgg16",
    "convnext_base",
)
"""The paper's nine (Table 2), under torchvision's names."""

Build = Callable[[int, int], "nn.Module"]
"""From a number of classes and the side of square images in pixels to a model, random weights: it
takes images (batch, 3, size, size) and gives logits (batch, classes)."""


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A user's model: how it is built, and the layers whose size is the number of classes."""

    build: Build
    heads: tuple[str, ...]


own_models: dict[str, OwnModel] = {}


def register_model(name: str, build: Build, *, heads: tuple[str, ...] = ()) -> None:
    """Add a model by name to the cases of `bench_cases`.

    Args:
        heads: names of the layers whose size is the number of classes: published weights for other
            classes don't fit them.

    Raises:
        SettingError: the name is taken, or is none that `-k` could select.
    """
    if name in (*model_names(), *ARCHITECTURES) or not name.isidentifier():
        raise SettingError(f"model name {name!r} is taken or no plain word: choose another one")
    own_models[name] = OwnModel(build, heads)


def model_names() -> tuple[str, ...]:
    """All names, the paper's first."""
    return (*MODELS, *own_models)


def check_model(name: str) -> None:
    """Raise SettingError naming the models there are unless `name` is one of them."""
    if name not in model_names():
        raise SettingError(f"unknown model {name!r}: choose from {', '.join(model_names())}")
