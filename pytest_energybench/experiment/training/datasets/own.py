"""Data that a user hands over: tensors, a torch data set, or splits of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from pytest_energybench.experiment.training.datasets.data import (
    LoadedSplit,
    Split,
    Splits,
    TensorSplit,
    as_inputs,
)
from pytest_energybench.experiment.training.datasets.fingerprints import of_bytes
from pytest_energybench.experiment.training.errors import DataError

Images = tuple[Tensor, Tensor] | Dataset[Any] | Split
"""Images (n, ...) float32, or tokens (n, length), and class numbers (n,), or a data set that yields
such pairs; of a language model tokens and the token that follows each of them."""

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
    if hasattr(images, "ordered"):
        split = cast(Split, images)
        if len(split) == 0:
            raise DataError(f"{part} has no images")
        return split
    if isinstance(images, tuple):
        both = _pair(part, "it", images)
        inputs, labels = _tensors(part, "it", lambda: [torch.as_tensor(each) for each in both])
        _check(part, inputs, labels)
        return TensorSplit(*(each.to(device) for each in as_inputs(inputs, labels)))
    if not (hasattr(images, "__getitem__") and hasattr(images, "__len__")):
        raise DataError(
            f"{part}: {type(images).__name__} is no data: give images and class numbers as two"
            " tensors, or a torch data set with a length"
        )
    if len(images) == 0:
        raise DataError(f"{part} has no images")
    first = _pair(part, "its first item", images[0])
    _check(part, *_tensors(part, "its first item", lambda: default_collate([first])))
    return LoadedSplit(images, len(images), device, workers=0)


def _pair(part: str, what: str, given: object) -> tuple[Any, Any]:
    """Both halves of `given`; raises DataError where it has others."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise DataError(
            f"{part}: {what} is a {type(given).__name__}, and a pair is meant: image and class"
            " number"
        )
    return given[0], given[1]


def _tensors(part: str, what: str, made: Callable[[], Sequence[Any]]) -> tuple[Tensor, Tensor]:
    """The two tensors that `made` gives; raises DataError where it gives others."""
    with suppress(TypeError, ValueError, RuntimeError):
        images, labels = made()
        if isinstance(images, Tensor) and isinstance(labels, Tensor):
            return images, labels
    raise DataError(
        f"{part}: {what} is no image as a tensor and a class number: torchvision's ToTensor makes"
        " a tensor of an image"
    )


def _check(part: str, images: Tensor, labels: Tensor) -> None:
    """Raise DataError unless `labels` has a class number for each of `images`, or of their
    tokens."""
    if images.dim() == 0 or labels.dim() == 0 or len(images) != len(labels):
        numbers = [len(each) if each.dim() else 1 for each in (images, labels)]
        raise DataError(f"{part}: {numbers[0]} images, and class numbers of {numbers[1]}")
    if len(images) == 0:
        raise DataError(f"{part} has no images")
    is_text = labels.dim() == 2 and not images.is_floating_point()
    expected = images.shape if is_text else images.shape[:1]
    if labels.is_floating_point() or labels.shape != expected:
        raise DataError(
            f"{part}: class numbers are {labels.dtype} {tuple(labels.shape)}; one whole number"
            f" for each {'token' if is_text else 'image'} is meant"
        )
    if int(labels.min()) < 0:
        raise DataError(f"{part}: a class number is {int(labels.min())}: they begin at 0")


def _contents(splits: dict[str, Split]) -> Iterator[bytes]:
    for part, split in splits.items():
        yield f"{part} {len(split)}".encode()
        if part != "train" or isinstance(split, TensorSplit):
            for batch in islice(split.ordered(BATCH), LOOKED_AT):
                for tensor in batch:
                    yield tensor.cpu().contiguous().numpy().tobytes()
