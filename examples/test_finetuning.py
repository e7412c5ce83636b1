"""Fine-tuning with a training loop of your own: what does it cost to train all layers?

A small network has learnt the digits 0 to 4 and is to learn 5 to 9: once with all its layers, once
with the last one alone. Both are cases of one group; the first is its baseline.

    pytest examples/test_finetuning.py --energy-report
"""

from __future__ import annotations

import copy

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)  # on a busy machine several would wait for each other

CLASSES = 5
EPOCHS = 8


class Digits:
    """Half of the digits, in a part for training and one for testing."""

    def __init__(self, first: int) -> None:
        bunch = load_digits()
        chosen = (bunch.target >= first) & (bunch.target < first + CLASSES)
        images = torch.tensor(bunch.images[chosen], dtype=torch.float32).unsqueeze(1) / 16
        labels = torch.tensor(bunch.target[chosen] - first)
        self.train = images[:600], labels[:600]
        self.test = images[600:], labels[600:]


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * 16, CLASSES),
    )


def train(model: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> None:
    """An ordinary loop: it knows nothing of energy."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(50):
            loss = functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def correct(model: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> int:
    with torch.inference_mode():
        return int((model(images).argmax(dim=1) == labels).sum())


@pytest.fixture(scope="module")
def pretrained(energy_meter) -> nn.Sequential:
    torch.manual_seed(0)
    model = network()
    # Hard work that is not metered: it must not spoil another process's window meanwhile.
    with energy_meter.heavy_work():
        train(model, *Digits(first=0).train)
    return model


@pytest.mark.energy_group("fine-tuning")
@pytest.mark.parametrize("layers", [pytest.param("all", marks=pytest.mark.energy_baseline), "last"])
def test_finetuning(energy, pretrained, layers):
    torch.manual_seed(1)
    model = copy.deepcopy(pretrained)
    if layers == "last":
        model[:-1].requires_grad_(False)
    digits = Digits(first=5)

    with energy.measure("train"):
        train(model, *digits.train)

    images, labels = digits.test
    energy.record(correct=correct(model, images, labels), total=len(labels), epochs=EPOCHS)
    energy.assert_below("1 kJ")
    energy.assert_accuracy_within_baseline(max_drop=0.10)
    energy.assert_below_baseline()
