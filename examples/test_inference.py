"""Inference: joules per 1,000 images of a network, and of the same one compressed.

The two large layers are replaced by products of two thin ones (a truncated SVD). The compressed
network has to be nearly as right, with less energy for each image.

    pytest examples/test_inference.py --energy-report
"""

from __future__ import annotations

import copy

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)  # on a busy machine several would wait for each other

WIDTH = 768
RANK = 32
ROUNDS = 5


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)


@pytest.fixture(scope="module")
def trained(digits, energy_meter) -> nn.Sequential:
    torch.manual_seed(0)
    images, labels = digits[0][:800], digits[1][:800]
    model = nn.Sequential(
        nn.Linear(64, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, 10),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    with energy_meter.heavy_work():
        for _ in range(8):
            for batch in torch.randperm(len(images)).split(100):
                loss = functional.cross_entropy(model(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return model.eval()


def thin(layer: nn.Linear, rank: int) -> nn.Sequential:
    """The layer of this rank that is nearest to it, as two layers."""
    left, values, right = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
    first = nn.Linear(layer.in_features, rank, bias=False)
    second = nn.Linear(rank, layer.out_features)
    with torch.no_grad():
        first.weight.copy_(values[:rank, None] * right[:rank])
        second.weight.copy_(left[:, :rank])
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second)


def compressed(model: nn.Sequential) -> nn.Sequential:
    model = copy.deepcopy(model)
    for place, layer in enumerate(model):
        if isinstance(layer, nn.Linear) and layer.in_features == layer.out_features:
            model[place] = thin(layer, RANK)
    return model


@pytest.mark.energy_group("inference")
@pytest.mark.parametrize(
    "method", [pytest.param("plain", marks=pytest.mark.energy_baseline), "low-rank"]
)
def test_inference(energy, digits, trained, method):
    model = compressed(trained) if method == "low-rank" else trained
    images, labels = digits[0][800:], digits[1][800:]

    @torch.inference_mode()
    def predict() -> torch.Tensor:
        for _ in range(10):  # long enough for a figure on a busy machine
            answers = model(images)
        return answers

    answers = energy(predict, rounds=ROUNDS, warmup=1)

    energy.record(
        correct=int((answers.argmax(dim=1) == labels).sum()),
        total=len(labels),
        joules_per_1000_images=1000 * energy.total_j / (10 * len(images)),
        parameters=sum(each.numel() for each in model.parameters()),
    )
    energy.assert_accuracy_within_baseline(max_drop=0.02)
    energy.assert_below_baseline()
