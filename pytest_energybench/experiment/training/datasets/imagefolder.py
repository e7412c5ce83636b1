"""Images in ImageNet layout: PATH/train/CLASS/*, PATH/val/CLASS/* and, if there, PATH/test/CLASS/*.

Without a test folder the images of val are divided: within each class, in order of file name, every
second one goes to test. So the split is the same on every machine and no image is in both.

Links are followed. What file managers and notebooks leave behind (hidden files and folders,
`@eaDir`, `__MACOSX`) is no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from pytest_energybench.experiment.training.datasets import fingerprints
from pytest_energybench.experiment.training.datasets.data import Data, LoadedSplit, some_of_each
from pytest_energybench.experiment.training.datasets.images import (
    Transform,
    check_images,
    evaluation_transform,
    image_files,
    is_hidden,
    open_image,
    training_transform,
)
from pytest_energybench.experiment.training.errors import DataError

Sample = tuple[Path, int]
"""An image file and its class number."""


class Files(Dataset[Any]):
    """Image files, decoded and transformed when asked for."""

    def __init__(self, samples: Sequence[Sample], transform: Transform) -> None:
        self._samples = samples
        self._transform = transform

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self._samples[index]
        return self._transform(open_image(path)), label


def image_folder(
    path: str, image_size: int, device: torch.device, workers: int, subset: int | None = None
) -> Data:
    """The images under `path`, checked, at `image_size` pixels; `subset` are images of each class
    in each split, at most, None for all.

    Raises DataError naming the folder or file: nothing there, no train or val, a class without
    images, a class that another split has not, an image that cannot be read.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"no such folder: {root} (imagefolder:PATH wants PATH/train and PATH/val)")
    classes = _classes(root / "train")
    train = _samples(root / "train", classes)
    validation = _samples(root / "val", classes)
    if (root / "test").is_dir():
        test = _samples(root / "test", classes)
    else:
        validation, test = _halve(root / "val", validation, classes)
    train, validation, test = (
        [samples[index] for index in some_of_each([label for _, label in samples], subset)]
        for samples in (train, validation, test)
    )
    check_images(file for file, _ in (*train, *validation, *test))

    def split(samples: Sequence[Sample], augmented: bool = False) -> LoadedSplit:
        return LoadedSplit(
            Files(samples, evaluation_transform(image_size)),
            len(samples),
            device,
            workers,
            Files(samples, training_transform(image_size)) if augmented else None,
        )

    return Data(
        name=f"imagefolder:{root.name}",
        classes=len(classes),
        image_size=image_size,
        train=split(train, augmented=True),
        validation=split(validation),
        test=split(test),
        fingerprint=f"imagefolder-{image_size}-"
        + fingerprints.of_files(root, (train, validation, test)),
    )


def _classes(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(
            f"no such folder: {folder} (imagefolder:PATH wants PATH/train and PATH/val)"
        )
    entries = (entry for entry in folder.iterdir() if not is_hidden(entry.name))
    classes = sorted(entry.name for entry in entries if entry.is_dir())
    if len(classes) < 2:
        raise DataError(f"{folder} holds {len(classes)} class folders: at least 2 are needed")
    return classes


def _samples(folder: Path, classes: Sequence[str]) -> list[Sample]:
    if (found := _classes(folder)) != list(classes):
        odd = sorted(set(found) ^ set(classes))
        raise DataError(f"{folder} and its sibling train differ in classes: {', '.join(odd[:5])}")
    samples: list[Sample] = []
    for number, name in enumerate(classes):
        files = sorted(image_files(folder / name))
        if not files:
            raise DataError(f"empty class: no image in {folder / name}")
        samples.extend((file, number) for file in files)
    return samples


def _halve(
    folder: Path, samples: Sequence[Sample], classes: Sequence[str]
) -> tuple[list[Sample], list[Sample]]:
    first: list[Sample] = []
    second: list[Sample] = []
    for number, name in enumerate(classes):
        own = [sample for sample in samples if sample[1] == number]
        if len(own) < 2:
            raise DataError(
                f"{folder / name} holds one image: without a test folder at least 2 are needed, "
                "one for validation and one for test"
            )
        first.extend(own[0::2])
        second.extend(own[1::2])
    return first, second
