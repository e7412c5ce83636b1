"""Small things to train in tests: real layers, real images, little time."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from pytest_energybench.experiment.training.datasets.data import Data, TensorSplit
from pytest_energybench.experiment.training.optimizers import PlainUpdater
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.experiment.training.trainer import train

CPU = torch.device("cpu")


def small_net(seed: int = 0) -> nn.Module:
    """Two convolutions with batch normalisation and a linear head: 10 classes, any image size."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    ).to(memory_format=torch.channels_last)


def coloured(total: int = 64, size: int = 8, seed: int = 0) -> TensorSplit:
    """Images of noise around one of ten levels, their class: easy, but not at once."""
    order = torch.Generator().manual_seed(seed)
    labels = torch.arange(total) % 10
    noise = torch.randn(total, 3, size, size, generator=order)
    return TensorSplit(noise * 0.3 + labels.view(-1, 1, 1, 1) / 3, labels)


def small_data() -> Data:
    """Ten classes, 128 images to train, 100 to validate, 100 to test."""
    return Data(
        name="coloured",
        classes=10,
        image_size=8,
        train=coloured(128, seed=1),
        validation=coloured(100, seed=2),
        test=coloured(100, seed=3),
        fingerprint="coloured-8",
    )


def trained_weights(settings: TrainSettings, epochs: int) -> dict[str, torch.Tensor]:
    """What `small_net` has learnt from `small_data` after so many epochs, none of them spared."""
    model = small_net()
    longer = replace(settings, max_epochs=epochs, patience=epochs)
    train(model, small_data(), PlainUpdater(model, longer), longer, CPU)
    return model.state_dict()
