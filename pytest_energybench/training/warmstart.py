"""The default starting weights: trained here, once per model, until about .90 on validation.

They stand in for pretrained weights where there is no network. Stopping early matters: a model that
is finished already improves no loss by 0.05, so every case would train the four epochs that early
stopping waits for, and nothing would be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from pytest_energybench.training import cache
from pytest_energybench.training.data import Data
from pytest_energybench.training.errors import DivergedError
from pytest_energybench.training.evaluate import evaluate
from pytest_energybench.training.hardware import has_bfloat16
from pytest_energybench.training.masters import Masters
from pytest_energybench.training.models import build
from pytest_energybench.training.rules import AdamWRule
from pytest_energybench.training.seeds import generator, seeded
from pytest_energybench.training.trainer import step

RECIPE: Final = 1
"""Raise it when anything here changes the weights that come out: cached ones are made again."""

TARGET: Final = 0.90
"""Validation accuracy at which the warm start ends."""

NEAR: Final = 0.75
"""From this accuracy on validation is looked at twice as often, so as not to shoot past."""

CHECK_EVERY: Final = 8
WARMUP_STEPS: Final = 20
MOST_STEPS: Final = 600
BATCH: Final = 32

LEARNING_RATES: Final[Mapping[str, float]] = {
    # Without batch normalisation 1e-3 is too much.
    "alexnet": 3e-4,
    "vgg16": 1e-4,
    "convnext_base": 5e-4,
}
LEARNING_RATE: Final = 1e-3


def warm_state(
    name: str, data: Data, seed: int, device: torch.device, folder: Path
) -> tuple[Mapping[str, Tensor], list[str]]:
    """The warm start of model `name` on `data`, from the cache in `folder` or trained now.

    Returns a float32 state dict and notes for the report: a damaged cached file, a target missed.
    """
    notes: list[str] = []
    dtype = torch.bfloat16 if has_bfloat16(device) else torch.float32
    key: dict[str, str | int | float | bool] = {
        "recipe": RECIPE,
        "model": name,
        "data": data.fingerprint,
        "classes": data.classes,
        "seed": seed,
        "target": TARGET,
        "torch": str(torch.__version__),
        "type": str(dtype),
        "device": device.type,
        "threads": torch.get_num_threads(),
    }

    def make() -> Mapping[str, Tensor]:
        model, accuracy = _train(name, data, seed, device, dtype)
        if accuracy < TARGET:
            notes.append(
                f"warm start of {name} ended at {accuracy:.3f} after {MOST_STEPS} steps, "
                f"short of {TARGET}"
            )
        return {key: _stored(value) for key, value in model.state_dict().items()}

    state, found = cache.cached(cache.cached_file(folder, name, key), make)
    return state, [*found, *notes]


def _train(
    name: str, data: Data, seed: int, device: torch.device, dtype: torch.dtype
) -> tuple[nn.Module, float]:
    """Train from random weights until TARGET; returns the model and its validation accuracy."""
    order = generator(seed)
    accuracy = 0.0
    with seeded(seed, device):
        model = build(name, data.classes, data.image_size).to(device)
        rate = LEARNING_RATES.get(name, LEARNING_RATE)
        updater = Masters(model, dtype, AdamWRule(rate, WARMUP_STEPS))
        steps = 0
        while accuracy < TARGET and steps < MOST_STEPS:
            for images, labels in data.train.shuffled(BATCH, order):
                model.train()
                loss = step(model, updater, images.to(dtype), labels)
                steps += 1
                if steps % (CHECK_EVERY if accuracy < NEAR else CHECK_EVERY // 2) == 0:
                    accuracy = evaluate(model, data.validation, 60).accuracy
                    if not torch.isfinite(loss):
                        raise DivergedError(f"warm start of {name} diverged at step {steps}")
                    if accuracy >= TARGET or steps >= MOST_STEPS:
                        break
        updater.release()
    return model, accuracy


def _stored(value: Tensor) -> Tensor:
    """A state dict's entry as it is cached: on the CPU, floating values in float32."""
    return value.detach().to("cpu", torch.float32 if value.is_floating_point() else value.dtype)
