"""A model with its starting weights of the requested kind.

Weights of other classes get a new head that is fitted to the features that the other layers give:
methods search on the starting model, before any training, and with a random head it would guess,
so that whatever they do to it would lose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.training import cache
from pytest_energybench.experiment.training.datasets.data import Data, Split
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import WeightsError
from pytest_energybench.experiment.training.hardware import generator, seeded
from pytest_energybench.experiment.training.model_names import check_model
from pytest_energybench.experiment.training.models import build, uses_aux_head
from pytest_energybench.experiment.training.pretraining import warm_state
from pytest_energybench.experiment.training.progress import SILENT, Progress
from pytest_energybench.experiment.training.settings import check_weights
from pytest_energybench.experiment.training.weights import adopt, folder_state, imagenet_state

MOST_IMAGES = 5_000
"""Training images that a head is fitted to: enough for its few weights, whatever the data."""

BATCH = 100
DECAY = 1e-4
"""Weight of the squared weights in the loss, so that it has a least value: with separable features
the weights would grow without end."""


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


def fit_head(model: nn.Module, heads: Sequence[str], train: Split, seed: int) -> int:
    """Fit the one of `heads` that gives `model`'s logits: logistic regression on features of
    training images in evaluation mode. No other weight changes.

    Returns the number of images. Raises WeightsError where no linear layer among them is the
    model's last.
    """
    order = torch.randperm(len(train), generator=generator(seed))[:MOST_IMAGES]
    layer, features, labels = _features(model, heads, train, order)
    with torch.no_grad():
        layer.weight.zero_()
        if layer.bias is not None:
            layer.bias.zero_()
    parameters = list(layer.parameters())
    optimizer = torch.optim.LBFGS(parameters, max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fits = functional.cross_entropy(layer(features), labels)
        total = fits + DECAY * layer.weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    optimizer.zero_grad()
    return len(labels)


def _features(
    model: nn.Module, heads: Sequence[str], train: Split, order: Tensor
) -> tuple[nn.Linear, Tensor, Tensor]:
    """The head, what enters it (image, feature) and the class numbers (image,)."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str, entering: tuple[Tensor, ...], leaving: Tensor) -> None:
        seen[name] = entering[0], leaving

    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda _, entering, leaving, name=name: keep(name, entering, leaving)
        )
        for name in heads
    ]
    model.eval()
    features, labels, last = [], [], ""
    try:
        with torch.no_grad():
            for images, classes in train.ordered(BATCH, order=order):
                logits = model(images)
                last = next((name for name in seen if torch.equal(seen[name][1], logits)), "")
                if not last or not isinstance(model.get_submodule(last), nn.Linear):
                    raise WeightsError(
                        f"the starting weights have other classes, and of {', '.join(heads)} none"
                        " is a last linear layer that could be fitted: give weights for these ones"
                    )
                features.append(seen[last][0])
                labels.append(classes)
    finally:
        for hook in hooks:
            hook.remove()
    layer = model.get_submodule(last)
    assert isinstance(layer, nn.Linear)
    return layer, torch.cat(features), torch.cat(labels)
