"""How gradients become weights: the part of a training step in which methods differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.settings import TrainSettings

ADAMW_BETA2: Final = 0.95
"""AdamW's second decay rate (Touvron et al. 2023, Section 2.3); the first one is the momentum."""


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

    @property
    def state_bytes(self) -> int:
        """Bytes that the optimizer keeps beside the weights, once it has taken a step."""
        ...


def optimizer_of(
    settings: TrainSettings,
) -> Callable[[Iterable[Tensor]], torch.optim.Optimizer]:
    """Makes torch's own optimizer by the rules of `settings`, for weights of any kind; fused, since
    large models are bound by memory traffic on a CPU."""

    def optimizer(weights: Iterable[Tensor]) -> torch.optim.Optimizer:
        rate, decay = settings.learning_rate, settings.weight_decay
        if settings.optimizer == "adamw":
            betas = settings.momentum, ADAMW_BETA2
            return torch.optim.AdamW(weights, rate, betas, weight_decay=decay, fused=True)
        return torch.optim.SGD(
            weights, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=True
        )

    return optimizer


def state_bytes(optimizers: Iterable[torch.optim.Optimizer]) -> int:
    """Bytes of what these keep beside the weights: momentum, moments."""
    return sum(
        value.numel() * value.element_size()
        for optimizer in optimizers
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    )


class PlainUpdater:
    """The optimizer in the model's own type: what the baseline trains with.

    Gradients stay allocated, so that no step asks for fresh memory.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        self._optimizer = optimizer_of(settings)(model.parameters())

    def zero(self) -> None:
        self._optimizer.zero_grad(set_to_none=False)

    def backward(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        self._optimizer.step()

    @property
    def state_bytes(self) -> int:
        return state_bytes([self._optimizer])
