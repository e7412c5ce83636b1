"""Which images make up an epoch."""

from __future__ import annotations

import torch

from pytest_energybench.training.data import draw
from pytest_energybench.training.seeds import generator


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
