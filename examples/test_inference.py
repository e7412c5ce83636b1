"""Inference: joules per 1,000 images of a network, and of the same one compressed.

Each of the paper's methods, and channels taken out, compresses the same trained network, which is
then trained a little more. What counts here is only what an answer costs afterwards: fewer channels
are less work; two thin layers may be, where they are thin enough; masked weights are multiplied all
the same; a narrow number format saves where the processor has units for it.

    pytest examples/test_inference.py --energy-report
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression import registry
from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
from pytest_energybench.experiment.compression.run import prepare
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.datasets.named_sets import digits
from pytest_energybench.experiment.training.evaluate import running_type
from pytest_energybench.experiment.training.settings import TrainSettings

torch.set_num_threads(1)  # on a busy machine several would wait for each other

CPU = torch.device("cpu")
IMAGE_SIZE = 16
MAX_DROP = 0.03
ROUNDS = 5
PASSES = 4
"""Passes over the test images in each round: long enough for a figure on a busy machine."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.Conv2d(48, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 64, 10),
    ).to(memory_format=torch.channels_last)


def trained(plan: CompressionPlan, data: Data, epochs: int) -> nn.Module:
    prepared = prepare(plan, TrainSettings(max_epochs=epochs, patience=epochs), CPU, "")
    prepared.train(data)
    return prepared.plan.model.eval()


@pytest.fixture(scope="module")
def data() -> Data:
    return digits(IMAGE_SIZE, CPU)


@pytest.fixture(scope="module")
def baseline(data: Data, energy_meter) -> nn.Module:
    # Hard work that is not metered: it must not spoil another process's window meanwhile.
    with energy_meter.heavy_work():
        return trained(CompressionPlan(network()), data, epochs=5)


METHODS = [
    pytest.param("baseline", marks=pytest.mark.energy_baseline),
    "steganographic",
    "pruning",
    "lowrank",
    "channel",
]


@pytest.mark.energy_group("inference")
@pytest.mark.parametrize("method", METHODS)
def test_inference(energy, data, baseline, method):
    with energy.heavy_work():
        plan = CompressionPlan(copy.deepcopy(baseline))
        task = Task(data, Tolerance(MAX_DROP), evaluation_batch=120)
        model = trained(registry.method(method)(plan, task), data, epochs=2)
    batches = [(images.to(running_type(model)), right) for images, right in data.test.ordered(60)]

    @torch.inference_mode()
    def predict() -> list[torch.Tensor]:
        for _ in range(PASSES):
            answers = [model(images).argmax(dim=1) for images, _ in batches]
        return answers

    answers = energy(predict, rounds=ROUNDS, warmup=1)

    right = torch.cat([right for _, right in batches])
    energy.record(
        correct=int((torch.cat(answers) == right).sum()),
        total=len(right),
        joules_per_1000_images=1000 * energy.total_j / (PASSES * len(right)),
        parameters=sum(each.numel() for each in model.parameters()),
    )
    energy.assert_accuracy_within_baseline(max_drop=MAX_DROP)
    if method == "channel":  # the one that is sure to be less work, whatever the processor
        energy.assert_below_baseline(margin="20 %")  # on a busy machine figures scatter as much
