"""Layers with the chosen kernels against torch's own."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training import cpu_kernels, kernel_choice
from pytest_energybench.experiment.training.cpu_kernels import (
    FORWARD,
    PRODUCT,
    TOEPLITZ,
    Call,
)
from pytest_energybench.experiment.training.cpu_layers import QuickConv2d, QuickLinear, quick_layers
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.kernel_choice import Ways
from pytest_energybench.experiment.training.models import build
from tests.experiment.training.nets import small_data, small_net


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
    with quick_layers(layer):
        assert type(layer) is QuickLinear
        found = gradients(layer, images)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_gradient_stays_where_it_is() -> None:
    layer = with_gradients(nn.Linear(5, 4))
    assert isinstance(layer, nn.Linear)
    kept = layer.weight.grad
    with quick_layers(layer):
        layer(torch.ones(1, 5)).sum().backward()
    assert layer.weight.grad is kept
    assert torch.equal(kept, torch.full((4, 5), 2.0))  # type: ignore[arg-type]


def test_a_layer_that_is_used_twice_adds_both() -> None:
    torch.manual_seed(0)
    layer = with_gradients(nn.Linear(5, 5))
    twice = nn.Sequential(layer, nn.ReLU(), layer)
    expected = gradients(with_gradients(copy.deepcopy(twice)), torch.ones(2, 5))
    with quick_layers(twice):
        found = gradients(twice, torch.ones(2, 5))
    torch.testing.assert_close(found, expected)


def test_a_gradient_that_is_not_there_yet_is_torch_s_to_make() -> None:
    layer = nn.Linear(5, 4)
    with quick_layers(layer):
        layer(torch.ones(1, 5)).sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, torch.ones(4, 5))


def test_a_frozen_weight_gets_none() -> None:
    layer = nn.Linear(5, 4)
    layer.weight.grad = torch.zeros(4, 5)
    layer.weight.requires_grad_(False)
    with quick_layers(layer):
        layer(torch.ones(1, 5)).sum().backward()
    assert not layer.weight.grad.any()


def test_layers_are_torch_s_again_afterwards_whatever_happened() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    with pytest.raises(RuntimeError, match="shape"), quick_layers(model):
        model(torch.ones(1, 7))
    assert [type(layer) for layer in model] == [nn.Linear, nn.Linear]


def test_a_layer_of_somebody_s_own_kind_is_left_alone() -> None:
    class Own(nn.Linear):
        pass

    layer = Own(5, 4)
    with quick_layers(layer):
        assert type(layer) is Own


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_by_other_ways_gives_what_torch_gives(
    bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer, images = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=bias), torch.randn(2, 4, 5, 5)
    expected = gradients(copy.deepcopy(layer), images)
    call = Call((2, 4, 5, 5), (4, 1, 3, 3), torch.float32, (1, 1), (1, 1), 4)
    monkeypatch.setattr(kernel_choice, "_known", {call: Ways(TOEPLITZ, TOEPLITZ, TOEPLITZ)})
    with quick_layers(layer):
        found = gradients(layer, images)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_layers_of_several_ranks_keep_torch_s_way_to_a_linear_gradient() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.Conv2d(1, 1, 1))
    with quick_layers(model, alone=False):
        assert [type(layer) for layer in model] == [nn.Linear, QuickConv2d]


def test_convolutions_that_no_way_serves_stay() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, dilation=2),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
    )
    with quick_layers(model):
        assert all(type(layer) is nn.Conv2d for layer in model)


def test_all_layers_of_a_real_model_come_back() -> None:
    model = build("convnext_base", 10, 32)
    kinds = [type(module) for module in model.modules()]
    with quick_layers(model):
        changed = [type(module) for module in model.modules()]
        assert QuickConv2d in changed
        assert QuickLinear in changed
        assert nn.Linear not in changed
    assert [type(module) for module in model.modules()] == kinds


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The calls that are computed as a matrix product, which is the way of every convolution."""
    asked: list[Call] = []

    def counted(call: Call, images: Tensor, weight: Tensor) -> Tensor:
        asked.append(call)
        return cpu_kernels.forward_product(call, images, weight)

    monkeypatch.setitem(FORWARD, PRODUCT, replace(FORWARD[PRODUCT], run=counted))  # type: ignore[arg-type]
    monkeypatch.setattr(kernel_choice, "_known", {})
    monkeypatch.setattr(kernel_choice, "quickest", lambda _: Ways(PRODUCT))
    return asked


def test_an_activation_may_change_a_result_of_another_way(products: list[Call]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True))
    images = torch.randn(2, 3, 5, 5)
    expected = net(images)
    with quick_layers(net), kernel_choice.timing():
        torch.testing.assert_close(net(images), expected)
    assert [call.trains for call in products] == [True]


def test_an_evaluation_takes_the_ways_that_were_timed_for_it(products: list[Call]) -> None:
    net, data = small_net(), small_data()
    expected = evaluate(net, data.validation, 50)
    assert not products
    with kernel_choice.timing():
        found = evaluate(net, data.validation, 50)
    assert (found.correct, found.loss) == (expected.correct, pytest.approx(expected.loss, rel=1e-4))
    assert products
    assert not any(call.trains for call in products)


def test_an_image_without_a_batch_is_convolved_as_torch_does() -> None:
    layer, image = nn.Conv2d(3, 8, 3), torch.randn(3, 6, 6)
    with quick_layers(layer), kernel_choice.timing():
        assert type(layer) is QuickConv2d
        assert torch.equal(layer(image), layer(image[None])[0])
