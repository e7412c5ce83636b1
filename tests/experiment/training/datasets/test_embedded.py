"""The embedded data and how batches are drawn from it."""

from __future__ import annotations

import pytest
import torch

from pytest_energybench.experiment.training.datasets.data import Data, TensorSplit
from pytest_energybench.experiment.training.datasets.named_sets import digits
from pytest_energybench.experiment.training.datasets.sources import load_data
from pytest_energybench.experiment.training.hardware import generator
from tests.experiment.training.nets import CPU


@pytest.fixture(scope="module")
def data() -> Data:
    return digits(16, CPU)


def images_of(split: object) -> torch.Tensor:
    assert isinstance(split, TensorSplit)
    return torch.cat([images for images, _ in split.ordered(100)])


def labels_of(split: object) -> torch.Tensor:
    assert isinstance(split, TensorSplit)
    return torch.cat([labels for _, labels in split.ordered(100)])


def test_the_split_is_40_20_40_stratified_and_without_overlap(data: Data) -> None:
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == [719, 359, 719]
    shares = [torch.bincount(labels_of(split)) / len(split) for split in splits]
    assert torch.allclose(shares[0], shares[1], atol=0.005)
    assert torch.allclose(shares[0], shares[2], atol=0.005)
    rows = torch.cat([images_of(split).flatten(1) for split in splits])
    # The digits themselves hold no image twice, so neither do the splits together.
    assert len(torch.unique(rows, dim=0)) == 1797


def test_mnist_has_2000_500_and_2500_images_and_is_taken_without_a_word() -> None:
    """As many of each class, without overlap."""
    data = load_data("mnist", 28, CPU)
    assert data.name == "mnist"
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == [2000, 500, 2500]
    for split in splits:
        assert torch.bincount(labels_of(split)).tolist() == [len(split) // 10] * 10
    rows = torch.cat([images_of(split).flatten(1) for split in splits])
    assert len(torch.unique(rows, dim=0)) == 5000


def test_the_split_does_not_depend_on_torch_s_seed(data: Data) -> None:
    torch.manual_seed(123)
    assert torch.equal(images_of(digits(16, CPU).test), images_of(data.test))


def test_images_are_resized_normalised_and_channels_last(data: Data) -> None:
    images, labels = next(data.train.ordered(5))
    assert images.shape == (5, 3, 16, 16)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.dtype == torch.int64
    # Black is (0 - mean) / std of ImageNet's channels.
    least = images_of(data.train).amin(dim=(0, 2, 3))
    assert torch.allclose(least, torch.tensor([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]))


def test_an_epoch_draws_each_image_once_in_full_batches(data: Data) -> None:
    split = TensorSplit(torch.arange(50.0).view(-1, 1, 1, 1).expand(-1, 3, 2, 2), torch.arange(50))
    batches = [labels for _, labels in split.shuffled(16, generator(0))]
    assert [len(batch) for batch in batches] == [16, 16, 16]
    assert len(torch.unique(torch.cat(batches))) == 48
    limited = [labels for _, labels in split.shuffled(16, generator(0), limit=32)]
    assert [len(batch) for batch in limited] == [16, 16]
    few = [labels for _, labels in split.shuffled(16, generator(0), limit=5)]
    assert [len(batch) for batch in few] == [5]
    assert len(data.train) == 719


def test_images_and_labels_stay_together_and_the_seed_gives_the_order() -> None:
    split = TensorSplit(torch.arange(50.0).view(-1, 1, 1, 1).expand(-1, 3, 2, 2), torch.arange(50))
    first = list(split.shuffled(10, generator(7)))
    assert all(torch.equal(images[:, 0, 0, 0].long(), labels) for images, labels in first)
    again = list(split.shuffled(10, generator(7)))
    other = list(split.shuffled(10, generator(8)))
    assert all(torch.equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


def test_digits_are_found_by_name() -> None:
    assert load_data("digits", 8, CPU).fingerprint == digits(8, CPU).fingerprint
    assert digits(8, CPU).fingerprint != digits(16, CPU).fingerprint
