"""Starting weights that exist already: torchvision's ImageNet ones, or files of the user's."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models  # type: ignore[import-untyped]

from pytest_energybench.training.errors import WeightsError
from pytest_energybench.training.models import is_head

State = Mapping[str, Tensor]
"""A state dict."""

IMAGENET_VERSION = "IMAGENET1K_V1"
"""The paper does not say which; its accuracies are nearest to torchvision's first version."""

_UNUSABLE = (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError)


def imagenet_state(model: str) -> State:
    """torchvision's ImageNet weights, through its own loader and cache (`TORCH_HOME`).

    Raises WeightsError when they are neither cached nor reachable, or the cached file is damaged.
    """
    weights = torchvision_models.get_model_weights(model)[IMAGENET_VERSION]
    cached = Path(torch.hub.get_dir(), "checkpoints", weights.url.rpartition("/")[2])
    try:
        state: State = weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, TimeoutError) as error:
        raise WeightsError(
            f"ImageNet weights of {model} are not reachable: {weights.url} ({error})\n"
            f"put the file at {cached}, or use --bench-weights=DIR or warm"
        ) from error
    except _UNUSABLE as error:
        raise WeightsError(
            f"ImageNet weights of {model} are unusable: {cached}: {_first_line(error)}\n"
            "remove that file to download it again"
        ) from error
    return state


def folder_state(folder: Path, model: str) -> State:
    """The state dict in `folder`/`model`.pt, read with `weights_only=True`.

    Raises WeightsError naming the file when it is missing or no state dict.
    """
    file = folder / f"{model}.pt"
    if not os.path.isfile(file):
        raise WeightsError(f"no starting weights for {model}: {file} does not exist")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except _UNUSABLE as error:
        raise WeightsError(f"{file} is no state dict: {_first_line(error)}") from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(
            f"{file} is no state dict: save it with torch.save(model.state_dict(), …)"
        )
    return state


def adopt(model: nn.Module, name: str, state: State, origin: str) -> list[str]:
    """Load `state` into `model`, leaving the head random where the classes differ.

    Returns notes on what was left out, for the report. Raises WeightsError when anything else does
    not fit; `origin` says in it where the weights come from.
    """
    own = model.state_dict()
    notes = []
    replaced = [
        key
        for key, value in state.items()
        if key in own and own[key].shape != value.shape and is_head(name, key)
    ]
    if replaced:
        notes.append(f"head replaced, classes differ from the starting weights': {replaced[0]}")
    aux = [key for key in state if key.startswith("AuxLogits.") and key not in own]
    if aux:
        notes.append("auxiliary head left out: the images are too small for it")
    skipped = {*replaced, *aux}
    kept = {key: value for key, value in state.items() if key not in skipped}
    wrong = [
        f"{key}: shape {tuple(value.shape)}, the model's is {tuple(own[key].shape)}"
        for key, value in kept.items()
        if key in own and own[key].shape != value.shape
    ]
    wrong += [f"{key}: not in the model" for key in kept if key not in own]
    wrong += [f"{key}: missing" for key in own if key not in kept and key not in replaced]
    if wrong:
        raise WeightsError(
            f"weights for {name} from {origin} do not fit ({len(wrong)} entries): {wrong[0]}"
        )
    model.load_state_dict(kept, strict=False)
    return notes


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
