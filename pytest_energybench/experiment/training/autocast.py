"""torch's own mixed precision: float32 weights, each operation in the type that torch picks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.optimizers import PlainUpdater
from pytest_energybench.experiment.training.settings import TrainSettings


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
