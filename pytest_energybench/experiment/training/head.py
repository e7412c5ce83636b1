"""A new head for weights of other classes: fitted to the features that the other layers give.

Methods search on the starting model, before any training. With a random head it would guess, and
whatever they do to it would lose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.errors import WeightsError
from pytest_energybench.experiment.training.seeds import generator

MOST_IMAGES = 5_000
"""Training images that a head is fitted to: enough for its few weights, whatever the data."""

BATCH = 100
DECAY = 1e-4
"""Weight of the squared weights in the loss, so that it has a least value: with separable features
the weights would grow without end."""


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
