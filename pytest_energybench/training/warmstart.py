"""The default starting weights: trained here, once per model, until about .90 on validation.

They stand in for pretrained weights where there is no network. Stopping early matters: a model that
is finished already improves no loss by 0.05, so every case would train the four epochs that early
stopping waits for, and nothing would be compared.

AdamW learns fast from random weights, but ends where SGD at the paper's learning rate is not
stable: ResNet18's accuracy fell from .94 to .51 in the first epoch after it, and how it recovered
was chance (equal trainings up to 12 images of 719 apart). So AdamW leads to about .70 and SGD, by
the trainer's own rules, from there: the fall happens here, and cases start where SGD can go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from pytest_energybench.training import cache
from pytest_energybench.training.data import Batch, Data
from pytest_energybench.training.errors import DivergedError
from pytest_energybench.training.evaluate import evaluate
from pytest_energybench.training.hardware import has_bfloat16
from pytest_energybench.training.masters import Masters
from pytest_energybench.training.models import build
from pytest_energybench.training.rules import AdamWRule, SGDRule
from pytest_energybench.training.seeds import generator, seeded
from pytest_energybench.training.settings import TrainSettings
from pytest_energybench.training.trainer import step

RECIPE: Final = 2
"""Raise it when anything here changes the weights that come out: cached ones are made again."""

TARGET: Final = 0.90
"""Validation accuracy at which the warm start ends."""

NEAR: Final = 0.75
"""From this accuracy on validation is looked at twice as often, so as not to shoot past."""

CHECK_EVERY: Final = 8
WARMUP_STEPS: Final = 20
MOST_STEPS: Final = 600
BATCH: Final = 32
EVALUATION_BATCH: Final = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model gets from random weights to its warm start.

    `learning_rate` is AdamW's peak; `handover` the validation accuracy at which SGD takes over;
    `layer_scale` the value that ConvNeXt's layer scales begin with, None leaves torchvision's.
    """

    learning_rate: float = 1e-3
    handover: float = 0.70
    layer_scale: float | None = None


RECIPES: Final[Mapping[str, Recipe]] = {
    # Without batch normalisation 1e-3 is too much.
    "alexnet": Recipe(learning_rate=3e-4),
    "vgg16": Recipe(learning_rate=1e-4),
    # torchvision's 1e-6 keeps the blocks out of the sum for thousands of steps.
    "convnext_base": Recipe(learning_rate=5e-4, handover=TARGET, layer_scale=0.1),
}


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
    recipe = RECIPES.get(name, Recipe())
    order = generator(seed)
    accuracy = 0.0
    with seeded(seed, device):
        model = _random(name, data, recipe).to(device)
        updater = Masters(model, dtype, AdamWRule(recipe.learning_rate, WARMUP_STEPS))
        handed_over = False
        for number, (images, labels) in enumerate(_endless(data, order), 1):
            model.train()
            loss = step(model, updater, images.to(dtype), labels)
            if number % (CHECK_EVERY if accuracy < NEAR else CHECK_EVERY // 2):
                continue
            if not torch.isfinite(loss):
                raise DivergedError(f"warm start of {name} diverged at step {number}")
            accuracy = evaluate(model, data.validation, EVALUATION_BATCH).accuracy
            if accuracy >= TARGET or number >= MOST_STEPS:
                break
            if accuracy >= recipe.handover and not handed_over:
                updater.release()
                updater = Masters(model.float(), dtype, _paper_sgd())
                handed_over = True
        updater.release()
    return model, accuracy


def _random(name: str, data: Data, recipe: Recipe) -> nn.Module:
    model = build(name, data.classes, data.image_size)
    for key, parameter in model.named_parameters():
        if recipe.layer_scale is not None and key.endswith("layer_scale"):
            nn.init.constant_(parameter, recipe.layer_scale)
    return model


def _endless(data: Data, order: torch.Generator) -> Iterator[Batch]:
    while True:
        yield from data.train.shuffled(BATCH, order)


def _paper_sgd() -> SGDRule:
    rules = TrainSettings()
    return SGDRule(rules.learning_rate, rules.momentum, rules.weight_decay)


def _stored(value: Tensor) -> Tensor:
    """A state dict's entry as it is cached: on the CPU, floating values in float32."""
    return value.detach().to("cpu", torch.float32 if value.is_floating_point() else value.dtype)
