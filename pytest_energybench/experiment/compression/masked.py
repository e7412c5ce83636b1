"""Removed weights stay removed while a model trains."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.optimizers import Updater


class Masked:
    """An updater that keeps the masked weights at zero.

    Their gradients are set to zero before every step. A weight that is zero then stays exactly zero
    under any rule whose step is zero without gradient, momentum and weight decay included, in the
    model and in the float32 masters alike; zero lies on every bit grid.
    """

    def __init__(self, inner: Updater, model: nn.Module, masks: Mapping[str, Tensor]) -> None:
        """Bind to the parameters of `model` as `inner` left them; `masks` as a plan has them."""
        self.inner = inner
        self._masked: list[tuple[nn.Parameter, Tensor]] = []
        for name, mask in masks.items():
            parameter = model.get_parameter(name)
            # In the gradient's own type and order of dimensions the product is one fast pass.
            own = torch.empty_like(parameter, requires_grad=False).copy_(mask)
            self._masked.append((parameter, own))

    def zero(self) -> None:
        self.inner.zero()

    @property
    def state_bytes(self) -> int:
        return self.inner.state_bytes

    def backward(self, loss: Tensor) -> None:
        self.inner.backward(loss)

    @torch.no_grad()
    def step(self) -> None:
        for parameter, mask in self._masked:
            if parameter.grad is not None:
                parameter.grad.mul_(mask)
        self.inner.step()
