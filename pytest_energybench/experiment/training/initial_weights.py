"""A model with its starting weights of the requested kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from pytest_energybench.experiment.training import cache
from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.head import fit_head
from pytest_energybench.experiment.training.model_names import check_model
from pytest_energybench.experiment.training.models import build, uses_aux_head
from pytest_energybench.experiment.training.pretraining import warm_state
from pytest_energybench.experiment.training.progress import SILENT, Progress
from pytest_energybench.experiment.training.seeds import seeded
from pytest_energybench.experiment.training.settings import check_weights
from pytest_energybench.experiment.training.weights import adopt, folder_state, imagenet_state


@dataclass(frozen=True, slots=True)
class Start:
    """A model, float32 and channels_last on its device, and notes on how it came about."""

    model: nn.Module
    notes: tuple[str, ...]


def starting_model(
    name: str,
    data: Data,
    weights: str,
    seed: int,
    device: torch.device,
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> Start:
    """Model `name` for `data` with starting weights `warm`, `imagenet` or from a folder.

    The warm start is cached in `folder`, by default the user's cache; of several ranks one a host
    makes it, and all start with the first one's weights. A head whose classes differ from the
    weights' is fitted to `data` (`fit_head`), an auxiliary one is random, from `seed`. Raises
    SettingError or WeightsError.
    """
    check_model(name)
    check_weights(weights)
    with seeded(seed, device):
        model = build(name, data.classes, data.image_size)
    notes = []
    if name == "inception_v3" and not uses_aux_head(name, data.image_size):
        notes.append(f"auxiliary head left out: {data.image_size} px are too small for it")
    if weights == "warm":
        with current().host_first():
            state, found = warm_state(
                name, data, seed, device, folder or cache.default_folder(), progress
            )
        adopted = adopt(model, name, state, "the warm start")
        notes += found
    elif weights == "imagenet":
        adopted = adopt(model, name, imagenet_state(name), "torchvision")
    else:
        directory = Path(weights).expanduser()
        adopted = adopt(model, name, folder_state(directory, name), str(directory))
    notes += adopted.notes
    model = model.to(device)
    if adopted.heads:
        fitted = fit_head(model, adopted.heads, data.train, seed)
        notes.append(f"the new head was fitted to {fitted:,} training images, the rest as it came")
    current().equalise(model.state_dict().values())
    return Start(model, tuple(dict.fromkeys(notes)))
