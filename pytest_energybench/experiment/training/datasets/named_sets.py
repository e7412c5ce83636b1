"""Data sets that torchvision knows by name, from files already on disk: CIFAR-10 and ImageNet-1K.

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
from torch.utils.data import Dataset, Subset
from torchvision import datasets  # type: ignore[import-untyped]

from pytest_energybench.experiment.training.datasets import fingerprints
from pytest_energybench.experiment.training.datasets.data import Data, LoadedSplit
from pytest_energybench.experiment.training.datasets.embedded import SPLIT_SEED
from pytest_energybench.experiment.training.datasets.subset import some_of_each
from pytest_energybench.experiment.training.datasets.transforms import (
    evaluation_transform,
    training_transform,
)
from pytest_energybench.experiment.training.errors import DataError


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
        list(range(len(plain))),
        test_size=0.2,
        stratify=plain.targets,
        random_state=SPLIT_SEED,
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
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{kind}: torchvision finds no usable data in {path}: {first}") from error


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
