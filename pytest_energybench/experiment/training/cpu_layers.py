"""Convolutions and linear layers that train with the quickest kernels a CPU has for them.

`cpu_kernels` knows the ways and `kernel_choice` chooses. A linear layer's weight gradient goes
straight into the one that is kept: torch makes it anew and adds it, which is fresh memory in every
step, page by page, and for a large layer most of the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.training import kernel_choice
from pytest_energybench.experiment.training.cpu_kernels import (
    BY_INPUT,
    BY_WEIGHT,
    FORWARD,
    OWN,
    Call,
)
from pytest_energybench.experiment.training.kernel_choice import Ways
from pytest_energybench.experiment.training.optimizers import Autocast


class QuickConv2d(nn.Conv2d):
    """`nn.Conv2d` by the chosen ways; results are the same sums, in another order."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.dim() != 4:  # an image without a batch
            alone: Tensor = super()._conv_forward(input, weight, bias)
            return alone
        call = Call(
            tuple(input.shape),
            tuple(weight.shape),
            weight.dtype,
            _pair(self.stride),
            _pair(self.padding),
            self.groups,
            torch.is_grad_enabled() and weight.requires_grad,
        )
        ways = kernel_choice.ways(call, self)
        if ways != Ways():
            result: Tensor = _Convolution.apply(input, weight, bias, call, ways)
            return result
        plain: Tensor = super()._conv_forward(input, weight, bias)
        return plain


class QuickLinear(nn.Linear):
    """`nn.Linear` by the chosen ways, its weight gradient added in place."""

    def forward(self, input: Tensor) -> Tensor:
        # A gradient that is not there yet is torch's to make.
        if not torch.is_grad_enabled() or self.weight.grad is None:
            return super().forward(input)
        rows = input.reshape(-1, input.shape[-1])
        call = Call(tuple(rows.shape), tuple(self.weight.shape), self.weight.dtype)
        ways = kernel_choice.ways(call, self)
        result: Tensor = _Linear.apply(rows, self.weight, self.bias, call, ways)
        return result.view(*input.shape[:-1], -1)


@contextmanager
def quick_layers(model: nn.Module, *, alone: bool = True) -> Iterator[None]:
    """Within the block, convolutions and linear layers of `model` on a CPU use the quick kernels.

    `alone`: no other rank trains the model. With several ranks linear layers stay unchanged: they
    add gradients in place, which DistributedDataParallel does not see. A model in torch's autocast
    keeps torch's layers: the quick ones know one type at a time.
    """
    if isinstance(model, Autocast):
        yield
        return
    changed: list[tuple[nn.Module, type[nn.Module]]] = []
    for module in model.modules():
        quick = _quick_class(module, alone)
        if quick is not None:
            changed.append((module, type(module)))
            module.__class__ = quick
    try:
        yield
    finally:
        for module, before in changed:
            module.__class__ = before


def _quick_class(module: nn.Module, alone: bool) -> type[nn.Module] | None:
    if type(module) is nn.Conv2d and module.weight.device.type == "cpu":
        plain = _pair(module.dilation) == (1, 1) and module.padding_mode == "zeros"
        return QuickConv2d if plain and not isinstance(module.padding, str) else None
    if type(module) is nn.Linear and module.weight.device.type == "cpu" and alone:
        return QuickLinear
    return None


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, call: Call, ways: Ways
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.call, ctx.ways = call, ways
        if ways.forward == OWN:
            return functional.conv2d(
                images, weight, bias, call.stride, call.padding, 1, call.groups
            )
        result = FORWARD[ways.forward].run(call, images, weight)
        return result if bias is None else result.add_(bias.view(1, -1, 1, 1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        call, ways = ctx.call, ctx.ways
        by_images, by_weight, by_bias, _, _ = ctx.needs_input_grad
        return (
            BY_INPUT[ways.by_input].run(call, gradient, weight) if by_images else None,
            BY_WEIGHT[ways.by_weight].run(call, gradient, images) if by_weight else None,
            gradient.sum((0, 2, 3)) if by_bias else None,
            None,
            None,
        )


class _Linear(torch.autograd.Function):
    """A linear layer that gives no gradient of its weight but adds it where it is kept."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, call: Call, ways: Ways
    ) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.call, ctx.ways = call, ways
        if ways.forward == OWN:
            return functional.linear(rows, weight, bias)
        result = FORWARD[ways.forward].run(call, rows, weight)
        return result if bias is None else result.add_(bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        call, ways = ctx.call, ctx.ways
        by_rows, by_weight, by_bias, _, _ = ctx.needs_input_grad
        if by_weight and ways.by_weight == OWN:
            weight.grad.addmm_(gradient.t(), rows)
        elif by_weight:
            weight.grad.add_(BY_WEIGHT[ways.by_weight].run(call, gradient, rows))
        return (
            BY_INPUT[ways.by_input].run(call, gradient, weight) if by_rows else None,
            None,
            gradient.sum(0) if by_bias else None,
            None,
            None,
        )
