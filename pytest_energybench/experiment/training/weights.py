"""Starting weights that exist already: torchvision's ImageNet ones, or files of the user's."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models  # type: ignore[import-untyped]

from pytest_energybench.experiment.training.errors import WeightsError, first_line
from pytest_energybench.experiment.training.model_names import MODELS
from pytest_energybench.experiment.training.models import is_head

State = Mapping[str, Tensor]
"""A state dict."""

IMAGENET_VERSION = "IMAGENET1K_V1"
"""The paper does not say which; its accuracies are nearest to torchvision's first version."""

_UNUSABLE = (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError)


def imagenet_state(model: str) -> State:
    """torchvision's ImageNet weights, through its own loader and cache (`TORCH_HOME`).

    Raises WeightsError when they are neither cached nor reachable, or the cached file is damaged.
    """
    if model not in MODELS:
        raise WeightsError(
            f"torchvision has no weights for {model}: use --bench-weights=DIR or warm"
        )
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
            f"ImageNet weights of {model} are unusable: {cached}: {first_line(error)}\n"
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
        raise WeightsError(f"{file} is no state dict: {_why(file)}") from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{file} is no state dict: {_nested(state)}{_SAVE}")
    return state


_SAVE = "save it with torch.save(model.state_dict(), FILE)"

_BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: run `git lfs pull`",
    b"<": "an HTML page, not the file itself: download it again",
    b"\x93NUMPY": f"a NumPy array: {_SAVE}",
    b"\x89HDF": f"an HDF5 file: {_SAVE}",
}


def _why(file: Path) -> str:
    """The likely cause, instead of PyTorch's advice to load the file unprotected."""
    with suppress(OSError), file.open("rb") as stream:
        start = stream.read(64)
        if not start:
            return "it is empty"
        for beginning, what in _BEGINNINGS.items():
            if start.startswith(beginning):
                return f"it is {what}"
        if start[8:9] == b"{":
            return f"it is a safetensors file: {_SAVE}"
    return f"it is damaged, or holds more than tensors, e.g. a whole model: {_SAVE}"


def _nested(state: object) -> str:
    """Where in a checkpoint the weights are, if they are one level down."""
    if not isinstance(state, Mapping):
        return ""
    inner = [key for key, value in state.items() if isinstance(value, Mapping) and value]
    return f"its weights are under {inner[0]!r}; take them out and " if inner else ""


class Adopted(NamedTuple):
    """What was done with a state dict: notes on what was left out, for the report, and the paths of
    the heads that are still random, since their classes differ."""

    notes: list[str]
    heads: tuple[str, ...]


def adopt(model: nn.Module, name: str, state: State, origin: str) -> Adopted:
    """Load `state` into `model`, leaving the head random where the classes differ.

    Raises WeightsError when anything else does not fit; `origin` says in it where the weights come
    from.
    """
    own = model.state_dict()
    state = {key: _plain(value) for key, value in state.items()}
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
            f"{_likely(kept, own)}"
        )
    for key, value in kept.items():
        if value.is_floating_point() and not value.isfinite().all():
            odd = int((~value.isfinite()).sum())
            raise WeightsError(
                f"weights for {name} from {origin} are no numbers: {odd} of {value.numel()} in"
                f" {key} are NaN or infinite, as after a training that diverged"
            )
    model.load_state_dict(kept, strict=False)
    return Adopted(notes, tuple(dict.fromkeys(key.rpartition(".")[0] for key in replaced)))


def _plain(value: Tensor) -> Tensor:
    """A quantized or sparse tensor as the dense one that it stands for."""
    if value.is_quantized:
        value = value.dequantize()
    return value.to_dense() if value.layout is not torch.strided else value


_WRAPPERS = {
    "module.": "DataParallel",
    "_orig_mod.": "torch.compile",
    "model.": "a wrapper of the model",
}


def _likely(kept: State, own: State) -> str:
    """The tool that likely saved such names, if it can be told."""
    for prefix, wrapper in _WRAPPERS.items():
        if kept and all(key.startswith(prefix) for key in kept):
            return f"; all names begin with {prefix!r}, as {wrapper} has them: take it off"
    if any(key.endswith("_orig") and key.removesuffix("_orig") in own for key in kept):
        return "; they were saved with masks: call torch.nn.utils.prune.remove before saving"
    return ""
