"""The starting weights of a language model: pretrained here on the standard library's sources.

In float32, so that every low-order bit of the weights is one that a search can find idle. Cached,
as the warm start of the models for images is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training import cache
from pytest_energybench.experiment.training.datasets.data import Splits
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.hardware import seeded
from pytest_energybench.experiment.training.language.models import build
from pytest_energybench.experiment.training.language.sizes import LanguageSize
from pytest_energybench.experiment.training.language.text import (
    TextData,
    standard_library,
    to_bytes,
    windows_of,
)
from pytest_energybench.experiment.training.optimizers import PlainUpdater
from pytest_energybench.experiment.training.progress import SILENT, Progress
from pytest_energybench.experiment.training.trainer import train

RECIPE: Final = 1
"""Raise it when anything here changes the weights that come out: cached ones are made again."""

RATE: Final = 2e-3
"""AdamW's, from random weights."""

LOOKS: Final = 4
"""So often in a pretraining validation is looked at."""


def pretrained(
    name: str,
    size: LanguageSize,
    data: TextData,
    seed: int,
    device: torch.device,
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> tuple[nn.Module, list[str]]:
    """Model `name` of that size, float32 on `device`, pretrained on sources of which no line is
    held out in `data`; and notes for the report.

    The weights are cached in `folder`, by default the user's cache; of several ranks one a host
    makes them, and all start with the first one's. Raises DataError without sources.
    """
    with seeded(seed, device):
        model = build(name, size).to(device)
    key: dict[str, str | int | float | bool] = {
        "recipe": RECIPE,
        "model": name,
        "size": repr(size),
        "data": data.fingerprint,
        "seed": seed,
        "torch": str(torch.__version__),
        "device": device.type,
        "threads": torch.get_num_threads(),
    }

    def make() -> Mapping[str, Tensor]:
        _train(model, size, data, seed, device, progress)
        return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}

    with current().host_first():
        place = folder or cache.default_folder()
        state, notes = cache.cached(cache.cached_file(place, name, key), make)
    model.load_state_dict(state)
    current().equalise(model.state_dict().values())
    return model, notes


def _train(
    model: nn.Module,
    size: LanguageSize,
    data: TextData,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> None:
    """Train `model` in place on as many windows of sources as its size says."""
    sources = windows_of(standard_library(data.held_out), to_bytes, size.length, device)
    rules = replace(
        size.train_settings(seed),
        learning_rate=RATE,
        fixed_epochs=LOOKS,
        images_per_epoch=size.pretraining // LOOKS,
    )
    splits = Splits(
        train=sources, validation=data.validation, test=data.test, fingerprint=data.fingerprint
    )
    train(model, splits, PlainUpdater(model, rules), rules, device, progress=progress)
