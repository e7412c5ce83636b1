"""How gradients become weights: the part of a training step in which methods differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.settings import TrainSettings

ADAMW_BETA2: Final = 0.95
"""AdamW's second decay rate (Touvron et al. 2023, Section 2.3); the first one is the momentum."""


class Updater(Protocol):
    """What the trainer calls, once each per batch, in this order."""

    def zero(self) -> None:
        """Set all gradients to zero."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`."""

    def step(self) -> None:
        """Change the weights."""

    @property
    def state_bytes(self) -> int:
        """Bytes that the optimizer keeps beside the weights, once it has taken a step."""


def optimizer_of(settings: TrainSettings) -> Callable[[Iterable[Tensor]], torch.optim.Optimizer]:
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
        trained = [each for each in model.parameters() if each.requires_grad]
        self._optimizer = optimizer_of(settings)(trained)

    def zero(self) -> None:
        self._optimizer.zero_grad(set_to_none=False)

    def backward(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        self._optimizer.step()

    @property
    def state_bytes(self) -> int:
        return state_bytes([self._optimizer])


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


class Autocast(nn.Module):
    """Goes before a model's own class: its forward pass runs in `torch.autocast`.

    A class and no wrapper, so that modules and parameters keep their names.
    """

    narrow: torch.dtype

    def forward(self, *inputs: Tensor, **kwargs: Any) -> Any:
        """What the model gives for its inputs, computed in `narrow` where torch deems it safe."""
        with torch.autocast(next(self.parameters()).device.type, dtype=self.narrow):
            return super().forward(*inputs, **kwargs)


def autocasting(model: nn.Module, narrow: torch.dtype) -> None:
    """Let `model` run in `torch.autocast` from now on."""
    if not isinstance(model, Autocast):
        own = type(model)
        model.__class__ = type(f"Autocast{own.__name__}", (Autocast, own), {})
    model.narrow = narrow  # type: ignore[assignment]


class ScaledUpdater(PlainUpdater):
    """`PlainUpdater` whose losses torch scales, for float16, which has few exponent bits."""

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        super().__init__(model, settings)
        self._scaler = torch.amp.GradScaler(next(model.parameters()).device.type)

    def backward(self, loss: Tensor) -> None:
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        self._scaler.step(self._optimizer)
        self._scaler.update()
