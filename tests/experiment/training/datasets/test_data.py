"""Which images make up an epoch."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import TensorDataset

from pytest_energybench.experiment.training.datasets.data import (
    LoadedSplit,
    Share,
    Split,
    TensorSplit,
    draw,
)
from pytest_energybench.experiment.training.hardware import generator


def test_an_epoch_of_one_pass_has_full_batches_of_different_images() -> None:
    batches = draw(100, 16, generator(0), None)
    assert [len(batch) for batch in batches] == [16] * 6
    assert len(torch.cat(batches).unique()) == 96


def test_a_limit_takes_fewer() -> None:
    assert (
        torch.cat(draw(100, 16, generator(0), 48)).tolist()
        == (torch.cat(draw(100, 16, generator(0), None)).tolist()[:48])
    )


def test_beyond_one_pass_no_image_comes_a_second_time_before_all_have_come() -> None:
    drawn = torch.cat(draw(100, 16, generator(0), 256))
    assert len(drawn) == 256
    assert sorted(drawn[:100].tolist()) == sorted(drawn[100:200].tolist()) == list(range(100))
    assert len(drawn[200:].unique()) == 56
    assert drawn[:100].tolist() != drawn[100:200].tolist()


def test_images_that_fill_no_batch_are_one() -> None:
    assert [len(batch) for batch in draw(5, 16, generator(0), None)] == [5]


IMAGES, LABELS = torch.randn(7, 3, 2, 2), torch.arange(7)


@pytest.mark.parametrize(
    "split",
    [
        TensorSplit(IMAGES, LABELS),
        LoadedSplit(TensorDataset(IMAGES, LABELS), 7, torch.device("cpu"), workers=1),
    ],
    ids=["held", "loaded"],
)
def test_another_order_is_handed_out_in_batches_also_after_one_that_was_broken_off(
    split: Split,
) -> None:
    order = torch.tensor([6, 0, 5, 1, 4, 2, 3])
    images, labels = next(split.ordered(3, order=order))
    assert labels.tolist() == [6, 0, 5]
    assert torch.equal(images, IMAGES[order[:3]])
    batches = [labels.tolist() for _, labels in split.ordered(3, order=order)]
    assert batches == [[6, 0, 5], [1, 4, 2], [3]]
    shared = [labels.tolist() for _, labels in split.ordered(3, Share(1, 2), order)]
    assert shared == [[5], [2]]
    assert torch.cat([labels for _, labels in split.ordered(3)]).tolist() == list(range(7))
