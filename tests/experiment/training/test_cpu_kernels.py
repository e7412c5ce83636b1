"""Every way of a layer's call against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pytest_energybench.experiment.training.cpu_kernels import (
    BY_INPUT,
    BY_WEIGHT,
    FLOAT32,
    FORWARD,
    OWN,
    PRODUCT,
    TOEPLITZ,
    Call,
)

CONVOLUTION = Call((5, 16, 7, 7), (8, 16, 3, 3), torch.float64, (1, 1), (1, 1))
CALLS = [
    CONVOLUTION,
    CONVOLUTION._replace(weight=(8, 16, 1, 1), padding=(0, 0)),
    CONVOLUTION._replace(weight=(8, 16, 1, 1), padding=(0, 0), stride=(2, 2)),
    CONVOLUTION._replace(stride=(2, 2)),
    CONVOLUTION._replace(weight=(8, 16, 1, 7), padding=(0, 3)),
    CONVOLUTION._replace(weight=(8, 16, 5, 3), padding=(2, 0), stride=(2, 1)),
    CONVOLUTION._replace(images=(5, 16, 6, 4), weight=(8, 16, 3, 2), padding=(0, 0), stride=(3, 2)),
    CONVOLUTION._replace(weight=(16, 4, 3, 3), groups=4),
    CONVOLUTION._replace(weight=(16, 1, 7, 7), padding=(3, 3), groups=16),
    CONVOLUTION._replace(images=(5, 16, 1, 1), weight=(16, 1, 7, 7), padding=(3, 3), groups=16),
    CONVOLUTION._replace(weight=(16, 1, 3, 5), padding=(1, 0), stride=(2, 1), groups=16),
    Call((6, 5), (4, 5), torch.float64),
]


def tensors(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(call.dtype)

    return draw(call.images), draw(call.weight), draw(call.result)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_all_ways_give_what_torch_gives(call: Call, order: torch.memory_format) -> None:
    images, weight, gradient = (
        each.contiguous(memory_format=order) if each.dim() == 4 else each for each in tensors(call)
    )
    taken, learned = images.clone().requires_grad_(), weight.clone().requires_grad_()
    result = FORWARD[OWN].run(call, taken, learned)
    assert result.shape == call.result
    by_images, by_weight = torch.autograd.grad(result, (taken, learned), gradient)
    for table, first, second, expected in (
        (FORWARD, images, weight, result.detach()),
        (BY_INPUT, gradient, weight, by_images),
        (BY_WEIGHT, gradient, images, by_weight),
    ):
        for name, way in table.items():
            if way.suits(call):
                torch.testing.assert_close(way.run(call, first, second), expected, msg=name)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_result_can_be_changed_in_place(call: Call) -> None:
    images, weight, _ = tensors(call)
    for name, way in FORWARD.items():
        if way.suits(call):
            assert not way.run(call, images, weight)._is_view(), name


def test_narrow_numbers_have_float32_as_a_way_and_float32_has_not() -> None:
    narrow = CONVOLUTION._replace(dtype=torch.bfloat16)
    for table in (FORWARD, BY_INPUT, BY_WEIGHT):
        assert table[FLOAT32].suits(narrow)
        assert not table[FLOAT32].suits(CONVOLUTION._replace(dtype=torch.float32))


def test_what_exists_for_narrow_numbers_exists_for_float32() -> None:
    for call in CALLS:
        for table in (FORWARD, BY_INPUT, BY_WEIGHT):
            of = [
                {name for name, way in table.items() if way.suits(call._replace(dtype=dtype))}
                for dtype in (torch.float32, torch.bfloat16)
            ]
            assert of[1] - of[0] == {FLOAT32}


def test_a_way_that_needs_a_huge_matrix_is_not_offered() -> None:
    large = CONVOLUTION._replace(images=(64, 256, 112, 112), weight=(64, 256, 3, 3))
    assert not BY_WEIGHT[PRODUCT].suits(large)
    few = large._replace(images=(1, 4, 16, 16), weight=(4, 4, 3, 3), padding=(1, 1))
    assert BY_WEIGHT[PRODUCT].suits(few)
    assert not FORWARD[PRODUCT].suits(few)
    assert not BY_INPUT[PRODUCT].suits(few)
    deep = Call((8, 128, 56, 56), (128, 1, 7, 7), torch.float32, (1, 1), (3, 3), 128)
    assert not FORWARD[TOEPLITZ].suits(deep)
