"""The default starting weights: trained here, once per model, until about .90 on validation.

They replace pretrained weights if there is no network. The warm start must end before the model
has converged: otherwise no case improves the loss by the min delta, every case trains the fewest
epochs that early stopping allows, and the comparison says nothing.

AdamW learns fast from random weights, but from where it ends SGD at the paper's learning rate is
unstable. So AdamW trains to about .70, and SGD continues by the trainer's own rules: accuracy drops
here, and cases start where SGD is stable. Measurements: docs/design-notes.md, The warm start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training import cache, kernel_choice
from pytest_energybench.experiment.training.cpu_layers import quick_layers
from pytest_energybench.experiment.training.datasets.data import Batch, Data, Split
from pytest_energybench.experiment.training.datasets.fingerprints import of_bytes
from pytest_energybench.experiment.training.errors import DivergedError
from pytest_energybench.experiment.training.evaluate import Score, evaluate
from pytest_energybench.experiment.training.hardware import generator, has_bfloat16, seeded
from pytest_energybench.experiment.training.master_weights import MasterWeights
from pytest_energybench.experiment.training.model_names import own_models
from pytest_energybench.experiment.training.models import build
from pytest_energybench.experiment.training.optimizers import optimizer_of
from pytest_energybench.experiment.training.progress import SILENT, Progress
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.experiment.training.trainer import step

RECIPE: Final = 4
"""Raise it when anything here changes the weights that come out: cached ones are made again."""

TARGET: Final = 0.90
"""Validation accuracy at which the warm start ends."""

NEAR: Final = 0.04
"""So far from its target validation is looked at twice as often, so as not to shoot past."""

CHECK_EVERY: Final = 8
WARMUP_STEPS: Final = 20
MOST_STEPS: Final = 600
EVALUATION_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model gets from random weights to its warm start.

    `learning_rate` is AdamW's peak; `handover` the validation accuracy at which SGD takes over, and
    `target` the one at which it ends; `batch` images a step. `layer_scale` is the value that
    ConvNeXt's layer scales begin with, its linear layers then begin as He et al. (2015) have it;
    None leaves torchvision's. Images are moved by up to `shift` pixels each way.
    """

    learning_rate: float = 1e-3
    handover: float = 0.70
    target: float = TARGET
    batch: int = 32
    layer_scale: float | None = None
    shift: int = 0


RECIPES: Final[Mapping[str, Recipe]] = {
    # Without batch normalisation 1e-3 is too much.
    "alexnet": Recipe(learning_rate=3e-4),
    # SGD is slow here, and unsteady in small batches: it never takes over.
    "vgg16": Recipe(learning_rate=2e-4, handover=1.0, batch=64),
    # torchvision's 1e-6 keeps the blocks out of the sum for thousands of steps. Of the images as
    # they are it learns 2,000 by heart before it tells others apart.
    "convnext_base": Recipe(7e-4, handover=1.0, batch=64, layer_scale=0.3, shift=2),
}


def warm_state(
    name: str,
    data: Data,
    seed: int,
    device: torch.device,
    folder: Path,
    progress: Progress = SILENT,
) -> tuple[Mapping[str, Tensor], list[str]]:
    """The warm start of model `name` on `data`, from the cache in `folder` or trained now.

    Returns a float32 state dict and notes for the report: a damaged cached file, a target missed.
    `progress` hears of each look at validation.
    """
    notes: list[str] = []
    recipe = RECIPES.get(name, Recipe())
    dtype = torch.bfloat16 if has_bfloat16(device) else torch.float32
    key: dict[str, str | int | float | bool] = {
        "recipe": RECIPE,
        "model": name,
        "data": data.fingerprint,
        "classes": data.classes,
        "seed": seed,
        "target": recipe.target,
        "torch": str(torch.__version__),
        "type": str(dtype),
        "device": device.type,
        "threads": torch.get_num_threads(),
        **_built(name, data),
    }

    def make() -> Mapping[str, Tensor]:
        model, accuracy = _train(name, data, seed, device, dtype, progress)
        if accuracy < recipe.target:
            notes.append(
                f"warm start of {name} ended at {accuracy:.3f} after {MOST_STEPS} steps, "
                f"short of {recipe.target}"
            )
        return {key: _stored(value) for key, value in model.state_dict().items()}

    state, found = cache.cached(cache.cached_file(folder, name, key), make)
    return state, [*found, *notes]


def _built(name: str, data: Data) -> dict[str, str]:
    """What a user's model is, beside its name: another one may have had it before."""
    if name not in own_models:
        return {}
    with seeded(0, torch.device("cpu")):
        model = build(name, data.classes, data.image_size)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    return {"built": of_bytes([f"{model} {shapes}".encode()])}


def _train(
    name: str, data: Data, seed: int, device: torch.device, dtype: torch.dtype, progress: Progress
) -> tuple[nn.Module, float]:
    """Train from random weights until the recipe's target; returns the model and its validation
    accuracy."""
    recipe = RECIPES.get(name, Recipe())
    order = generator(seed)
    accuracy = 0.0
    with seeded(seed, device), kernel_choice.timing():
        model = _random(name, data, recipe).to(device)
        updater = MasterWeights(model, dtype, _adamw)
        handed_over = False
        for number, (images, labels) in enumerate(_endless(data, recipe.batch, order), 1):
            model.train()
            if not handed_over:
                warming_up = min(1.0, number / WARMUP_STEPS)
                updater.set_learning_rate(recipe.learning_rate * warming_up)
            with quick_layers(model):
                moved = _shifted(images, recipe.shift, order)
                loss = step(model, updater, moved.to(dtype), labels)
            near = accuracy >= recipe.target - NEAR
            if number % (CHECK_EVERY // 2 if near else CHECK_EVERY):
                continue
            if not torch.isfinite(loss):
                raise DivergedError(f"warm start of {name} diverged at step {number}")
            awaited = recipe.target - NEAR
            if not handed_over:
                awaited = min(awaited, recipe.handover)
            score = _looked(model, data.validation, 0.0 if number >= MOST_STEPS else awaited)
            accuracy = score.accuracy
            about = "" if score.total == len(data.validation) else "~"
            progress(
                f"step {number} of at most {MOST_STEPS}, "
                f"accuracy {about}{accuracy:.3f} of {recipe.target}"
            )
            if accuracy >= recipe.target or number >= MOST_STEPS:
                break
            if accuracy >= recipe.handover and not handed_over:
                updater.release()
                updater = MasterWeights(model.float(), dtype, optimizer_of(TrainSettings()))
                handed_over = True
        updater.release()
    return model, accuracy


def _looked(model: nn.Module, validation: Split, awaited: float) -> Score:
    """The score of `model` on `validation`; once it is certain to be below `awaited`, on the images
    seen until then, whose accuracy is below that as well."""
    may_be_wrong = (1 - awaited) * len(validation)
    wrong = 0

    def certain(logits: Tensor, labels: Tensor) -> bool:
        nonlocal wrong
        wrong += int((logits.argmax(-1) != labels).sum())
        return wrong > may_be_wrong

    return evaluate(model, validation, EVALUATION_BATCH, enough=certain)


def _random(name: str, data: Data, recipe: Recipe) -> nn.Module:
    model = build(name, data.classes, data.image_size)
    if recipe.layer_scale is None:
        return model
    for key, parameter in model.named_parameters():
        if key.endswith("layer_scale"):
            nn.init.constant_(parameter, recipe.layer_scale)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
    return model


def _shifted(images: Tensor, most: int, order: torch.Generator) -> Tensor:
    """Each of `images` (n, channel, row, column) moved its own way by up to `most` pixels; what
    leaves at one side comes in at the other."""
    if most == 0:
        return images
    moves = torch.randint(-most, most + 1, (len(images), 2), generator=order).tolist()
    moved = [image.roll(move, (1, 2)) for image, move in zip(images, moves, strict=True)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)


def _endless(data: Data, batch: int, order: torch.Generator) -> Iterator[Batch]:
    while True:
        yield from data.train.shuffled(batch, order)


def _adamw(weights: list[Tensor]) -> torch.optim.AdamW:
    return torch.optim.AdamW(weights, fused=True)


def _stored(value: Tensor) -> Tensor:
    """A state dict's entry as it is cached: on the CPU, floating values in float32."""
    return value.detach().to("cpu", torch.float32 if value.is_floating_point() else value.dtype)
