"""The usual ImageNet transforms of a decoded image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torchvision import transforms  # type: ignore[import-untyped]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Channel means and deviations of ImageNet, which torchvision's weights expect."""

Transform = Callable[[Any], Tensor]
"""From a PIL image to a tensor (3, size, size), normalised."""


def evaluation_transform(size: int) -> Transform:
    """Shorter side to size x 256/224, centre crop, normalise (torchvision's reference recipe)."""
    composed: Transform = transforms.Compose(
        [
            transforms.Resize(round(size * 256 / 224)),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return composed


def training_transform(size: int) -> Transform:
    """Random crop of 8 to 100 % of the area, mirrored half of the time, normalised."""
    composed: Transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return composed
