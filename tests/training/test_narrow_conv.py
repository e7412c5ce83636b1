"""The weight gradient as a matrix product against torch's own convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_energybench.training.models import build
from pytest_energybench.training.narrow_conv import NarrowConv2d, convert, revert

# channels in, out, kernel, stride, padding, image side
CASES = [
    (16, 8, 1, 1, 0, 6),
    (16, 8, 1, 2, 0, 7),
    (16, 8, 3, 1, 1, 4),
    (16, 8, 3, 2, 1, 8),
    (16, 8, (1, 7), 1, (0, 3), 4),
    (16, 8, (5, 3), (2, 1), (2, 0), 5),
    (16, 8, 3, 1, 1, 9),
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_those_of_torch(case: tuple, bias: bool) -> None:  # type: ignore[type-arg]
    inputs, outputs, kernel, stride, padding, side = case
    torch.manual_seed(0)
    plain = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias).double()
    plain = plain.to(memory_format=torch.channels_last)
    ours = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)).double()
    ours[0].load_state_dict(plain.state_dict())
    ours = ours.to(memory_format=torch.channels_last)
    convert(ours)
    assert type(ours[0]) is NarrowConv2d
    images = torch.randn(5, inputs, side, side, dtype=torch.float64)
    images = images.contiguous(memory_format=torch.channels_last)
    gradients = []
    for model in (plain, ours):
        taken = images.clone().requires_grad_()
        result = model(taken)
        result.backward(torch.linspace(-1, 1, result.numel()).view_as(result).double())
        assert taken.grad is not None
        gradients.append([result, taken.grad, *(p.grad for p in model.parameters())])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


def test_images_that_are_not_channels_last_are_taken_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1))
    images = torch.randn(2, 16, 4, 4)
    model(images).square().sum().backward()
    expected = model[0].weight.grad
    model[0].weight.grad = None
    convert(model)
    model(images).square().sum().backward()
    torch.testing.assert_close(model[0].weight.grad, expected)


def test_only_convolutions_that_it_serves_are_converted_and_all_come_back() -> None:
    with torch.device("meta"):
        model = build("convnext_base", 10, 64)
    kinds = [type(module) for module in model.modules()]
    convert(model)
    changed = [module for module in model.modules() if type(module) is NarrowConv2d]
    # The three between stages; the stem has 3 channels, all others are depthwise.
    assert [module.kernel_size for module in changed] == [(2, 2)] * 3
    revert(model)
    assert [type(module) for module in model.modules()] == kinds
