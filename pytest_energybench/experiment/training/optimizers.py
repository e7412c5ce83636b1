"""How gradients become weights: the part of a training step in which methods differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.settings import TrainSettings


class Updater(Protocol):
    """What the trainer calls, once each per batch, in this order."""

    def zero(self) -> None:
        """Set all gradients to zero."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`."""
        ...

    def step(self) -> None:
        """Change the weights."""
        ...


def sgd(settings: TrainSettings) -> Callable[[Iterable[Tensor]], torch.optim.SGD]:
    """Makes torch's own SGD by the rules of `settings`, for weights of any kind; fused, since large
    models are bound by memory traffic on a CPU."""

    def optimizer(weights: Iterable[Tensor]) -> torch.optim.SGD:
        return torch.optim.SGD(
            weights,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    return optimizer


class PlainSGD:
    """SGD in the model's own type: what the baseline trains with.

    Gradients stay allocated, so that no step asks for fresh memory.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        self._optimizer = sgd(settings)(model.parameters())

    def zero(self) -> None:
        self._optimizer.zero_grad(set_to_none=False)

    def backward(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        self._optimizer.step()
