"""Gradients of linear layers added where they are kept, against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.training.kept_gradients import KeptLinear, added_in_place


def gradients(layer: nn.Module, images: Tensor) -> list[Tensor]:
    taken = images.clone().requires_grad_()
    result = layer(taken)
    result.backward(torch.linspace(-1, 1, result.numel()).view_as(result))
    assert taken.grad is not None
    return [result.detach(), taken.grad, *(p.grad.clone() for p in layer.parameters())]  # type: ignore[union-attr]


def with_gradients(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    return layer


@pytest.mark.parametrize("shape", [(6, 5), (3, 2, 2, 5), (5,)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_those_of_torch_added_to_what_was_there(
    shape: tuple[int, ...], bias: bool
) -> None:
    torch.manual_seed(0)
    layer, images = with_gradients(nn.Linear(5, 4, bias=bias)), torch.randn(shape)
    expected = gradients(with_gradients(copy.deepcopy(layer)), images)
    with added_in_place(layer):
        assert type(layer) is KeptLinear
        found = gradients(layer, images)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_gradient_stays_where_it_is() -> None:
    layer = with_gradients(nn.Linear(5, 4))
    assert isinstance(layer, nn.Linear)
    kept = layer.weight.grad
    with added_in_place(layer):
        layer(torch.ones(1, 5)).sum().backward()
    assert layer.weight.grad is kept
    assert torch.equal(kept, torch.full((4, 5), 2.0))  # type: ignore[arg-type]


def test_a_layer_that_is_used_twice_adds_both() -> None:
    torch.manual_seed(0)
    layer = with_gradients(nn.Linear(5, 5))
    twice = nn.Sequential(layer, nn.ReLU(), layer)
    expected = gradients(with_gradients(copy.deepcopy(twice)), torch.ones(2, 5))
    with added_in_place(twice):
        found = gradients(twice, torch.ones(2, 5))
    torch.testing.assert_close(found, expected)


def test_a_gradient_that_is_not_there_yet_is_torch_s_to_make() -> None:
    layer = nn.Linear(5, 4)
    with added_in_place(layer):
        layer(torch.ones(1, 5)).sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, torch.ones(4, 5))


def test_a_frozen_weight_gets_none() -> None:
    layer = nn.Linear(5, 4)
    layer.weight.grad = torch.zeros(4, 5)
    layer.weight.requires_grad_(False)
    with added_in_place(layer):
        layer(torch.ones(1, 5)).sum().backward()
    assert not layer.weight.grad.any()


def test_layers_are_torch_s_again_afterwards_whatever_happened() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    with pytest.raises(RuntimeError, match="shape"), added_in_place(model):
        model(torch.ones(1, 7))
    assert [type(layer) for layer in model] == [nn.Linear, nn.Linear]


def test_a_layer_of_somebody_s_own_kind_is_left_alone() -> None:
    class Own(nn.Linear):
        pass

    layer = Own(5, 4)
    with added_in_place(layer):
        assert type(layer) is Own
