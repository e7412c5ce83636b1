"""The embedded data set: scikit-learn's 1,797 handwritten digits, 8 x 8 grey values 0 to 16.

They come with scikit-learn, so a run needs neither network nor download.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

from pytest_energybench.training.data import Data, TensorSplit
from pytest_energybench.training.transforms import MEAN, STD

SPLIT_SEED = 0
"""The split is the same in every run; `--bench-seed` moves weights and data order, not the images
a figure is taken on."""


def digits(image_size: int, device: torch.device) -> Data:
    """The digits at `image_size` pixels, stratified 40/20/40 into 719, 359 and 719 images.

    Resized once, here, and kept on `device`: nothing of it falls into a metered window.
    """
    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    order = list(range(len(labels)))
    rest, test = train_test_split(
        order, test_size=719, stratify=labels, random_state=SPLIT_SEED, shuffle=True
    )
    train, validation = train_test_split(
        rest, test_size=359, stratify=labels[rest], random_state=SPLIT_SEED, shuffle=True
    )
    ready = _prepare(images, image_size)

    def split(index: list[int]) -> TensorSplit:
        return TensorSplit(ready[index].to(device), labels[index].to(device))

    return Data(
        name="digits",
        classes=10,
        image_size=image_size,
        train=split(train),
        validation=split(validation),
        test=split(test),
        fingerprint=f"digits-{image_size}-split{SPLIT_SEED}-40-20-40",
    )


def _prepare(images: Tensor, size: int) -> Tensor:
    """Resize grey images (n, 1, 8, 8) in 0 to 1 to (n, 3, size, size), normalised as ImageNet's."""
    large = functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return (large.expand(-1, 3, -1, -1) - mean) / std
