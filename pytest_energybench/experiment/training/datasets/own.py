"""Data that a user hands over: tensors, a torch data set, or splits of their own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from pytest_energybench.experiment.training.datasets.data import (
    LoadedSplit,
    Split,
    Splits,
    TensorSplit,
)
from pytest_energybench.experiment.training.datasets.fingerprints import of_bytes
from pytest_energybench.experiment.training.errors import DataError

Images = tuple[Tensor, Tensor] | Dataset[Any] | Split
"""Images (n, ...) float32 and class numbers (n,), or a data set that yields such pairs; of text,
tokens (n, length) and the token that follows each of them."""

BATCH = 64
LOOKED_AT = 16
"""Batches of each split but the training one that a fingerprint looks at: images are decoded for
it, and those to train on may be augmented anew each time."""


def splits_of(train: Images, validation: Images, test: Images, device: torch.device) -> Splits:
    """Three splits on `device`; raises DataError naming the one that can't be used."""
    given = {"train": train, "validation": validation, "test": test}
    splits = {part: _split(part, images, device) for part, images in given.items()}
    return Splits(**splits, fingerprint=of_bytes(_contents(splits)))


def _split(part: str, images: Images, device: torch.device) -> Split:
    split: Split
    if isinstance(images, tuple):
        split = _held(part, *images, device)
    elif hasattr(images, "ordered"):
        split = cast(Split, images)
    elif hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        split = LoadedSplit(images, len(images), device, workers=0)
    else:
        raise DataError(
            f"{part}: {type(images).__name__} is no data: give images and class numbers as two"
            " tensors, or a torch data set with a length"
        )
    if len(split) == 0:
        raise DataError(f"{part} has no images")
    return split


def _held(part: str, images: Tensor, labels: Tensor, device: torch.device) -> TensorSplit:
    if len(images) != len(labels):
        raise DataError(f"{part}: {len(images)} images, and class numbers of {len(labels)}")
    is_text = labels.dim() == 2 and not images.is_floating_point()
    expected = images.shape if is_text else images.shape[:1]
    if labels.is_floating_point() or labels.shape != expected:
        raise DataError(
            f"{part}: class numbers are {labels.dtype} {tuple(labels.shape)}; one whole number"
            f" for each {'token' if is_text else 'image'} is meant"
        )
    dtype = torch.int64 if is_text else torch.float32
    return TensorSplit(images.to(device, dtype), labels.to(device, torch.int64))


def _contents(splits: dict[str, Split]) -> Iterator[bytes]:
    for part, split in splits.items():
        yield f"{part} {len(split)}".encode()
        if part != "train" or isinstance(split, TensorSplit):
            for batch in islice(split.ordered(BATCH), LOOKED_AT):
                for tensor in batch:
                    yield tensor.cpu().contiguous().numpy().tobytes()
