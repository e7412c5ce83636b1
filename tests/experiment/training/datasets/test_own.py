"""Data as strangers have them: tensors, arrays and data sets of many kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from pytest_energybench.experiment.training.datasets.own import splits_of
from pytest_energybench.experiment.training.errors import DataError
from tests.experiment.training.nets import CPU

LABELS = torch.arange(8) % 4
SHAPES = {
    "features": (8, 5),
    "a signal": (8, 2, 5),
    "images": (8, 3, 4, 4),
    "volumes": (8, 1, 3, 4, 4),
}


def first(data: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return next(splits_of(data, data, data, CPU).train.ordered(3))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_a_data_set_gives_the_batches_that_its_tensors_give(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    images = (torch.rand(shape) * 200).to(dtype)
    for own, from_set in zip(
        first((images, LABELS)), first(TensorDataset(images, LABELS.int())), strict=True
    ):
        assert torch.equal(own, from_set)
        assert own.dtype == from_set.dtype
    assert first((images, LABELS))[0].dtype == torch.float32


def test_tokens_stay_whole_numbers_and_complex_ones_complex() -> None:
    tokens, waves = torch.arange(40).view(8, 5), torch.ones(8, 5, dtype=torch.complex128)
    for form in (lambda *pair: pair, TensorDataset):
        assert first(form(tokens, LABELS))[0].dtype == torch.int64
        assert first(form(waves, LABELS))[0].dtype == torch.complex64
    assert first((tokens, tokens + 1))[1].shape == (3, 5)


def test_arrays_are_as_good_as_tensors() -> None:
    images = numpy.random.default_rng(0).random((8, 3, 4, 4))
    batch, labels = first((images, LABELS.numpy()))
    assert torch.equal(batch, torch.tensor(images[:3]).float())
    assert labels.tolist() == [0, 1, 2]


PICTURE = Image.new("RGB", (4, 4))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([torch.ones(8, 3), LABELS], "train: its first item is a Tensor, and a pair is meant"),
        ([{"image": torch.ones(3), "label": 0}], "train: its first item is a dict, and a pair"),
        ([(PICTURE, 0)], "train: its first item is no image as a tensor.*ToTensor"),
        ([(torch.ones(3), "cat")], "train: its first item is no image as a tensor"),
        ([(torch.ones(3), 0.5)], "train: class numbers are torch.float64"),
        ([(torch.ones(3), -1)], "train: a class number is -1: they begin at 0"),
        ((torch.ones(8, 3), LABELS, LABELS), "train: it is a tuple, and a pair is meant"),
        ((torch.ones(8, 3), LABELS - 1), "train: a class number is -1"),
        ((torch.ones(8, 3), "cats"), "train: it is no image as a tensor"),
        ((torch.tensor(1.0), torch.tensor(1)), "train: 1 images, and class numbers of 1"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(data: Any, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        splits_of(data, data, data, CPU)
    assert "\n" not in str(error.value)


def test_what_is_empty_has_no_images() -> None:
    make: Callable[[], Any]
    for make in (lambda: (torch.ones(0, 3), LABELS[:0]), list):
        with pytest.raises(DataError, match="train has no images"):
            splits_of(make(), make(), make(), CPU)
