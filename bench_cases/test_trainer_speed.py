"""The trainer against a plain loop written for speed: images per second, in ten pairs.

    pytest bench_cases/test_trainer_speed.py -m slow -s

What a case meters is this trainer. Were it slow, its joules would say little about a method.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.plan import CompressionPlan
from pytest_energybench.experiment.compression.run import prepare
from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.datasets.named_sets import digits
from pytest_energybench.experiment.training.hardware import has_bfloat16
from pytest_energybench.experiment.training.models import build
from pytest_energybench.experiment.training.settings import TrainSettings, preset
from pytest_energybench.gates.statistics import Estimate, paired

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
PAIRS = 10
AT_LEAST = 0.95
"""The trainer's images/s over the plain loop's: the lower 95 % bound must not be below it."""

Loop = Callable[[nn.Module, Data, torch.dtype, TrainSettings], Callable[[], object]]
"""Makes a model ready, and gives what trains it."""


def plain_loop(
    model: nn.Module, data: Data, dtype: torch.dtype, settings: TrainSettings
) -> Callable[[], object]:
    """An epoch with its validation as a careful user writes them: channels_last, fused SGD, kept
    gradients, and in a narrow type the whole model in it, without float32 master weights."""
    model.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True
    )
    loss_of = nn.CrossEntropyLoss()
    order = torch.Generator().manual_seed(0)

    def epoch() -> None:
        model.train()
        for images, labels in data.train.shuffled(
            settings.batch_size, order, settings.images_per_epoch
        ):
            optimizer.zero_grad(set_to_none=False)
            loss_of(model(images.to(dtype)), labels).backward()
            optimizer.step()
        model.eval()
        total: Tensor | float = 0.0
        with torch.inference_mode():
            for images, labels in data.validation.ordered(settings.evaluation_batch):
                logits = model(images.to(dtype)).float()
                total = total + nn.functional.cross_entropy(logits, labels) * len(labels)
        assert math.isfinite(total)

    return epoch


def trainer(
    model: nn.Module, data: Data, dtype: torch.dtype, settings: TrainSettings
) -> Callable[[], object]:
    """The same by the trainer that the cases use."""
    plan = CompressionPlan(model, mixed_precision=dtype == torch.bfloat16)
    return partial(prepare(plan, settings, CPU, "speed").train, data)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["resnet18", "alexnet"])
def test_the_trainer_is_as_fast_as_a_plain_loop(
    name: str, dtype: torch.dtype, pytestconfig: pytest.Config
) -> None:
    if dtype == torch.bfloat16 and not has_bfloat16(CPU):
        pytest.skip("needs a CPU that computes in bfloat16 (AVX512-BF16, AMX, Arm's BF16)")
    data = digits(preset("quick").size_of(name).image, CPU)
    model = build(name, data.classes, data.image_size)
    settings = replace(preset("quick").train_settings(name, seed=0), max_epochs=1)
    plain, ours = (
        partial(_seconds, loop, model, data, dtype, settings) for loop in (plain_loop, trainer)
    )
    plain(), ours()  # kernels are chosen
    times: list[tuple[float, float]] = []
    for number in range(PAIRS):
        first, second = (plain(), ours()) if number % 2 else (ours(), plain())
        times.append((first, second) if number % 2 else (second, first))
    estimate = paired([p for p, _ in times], [o for _, o in times])
    _keep(pytestconfig.rootpath / "reports", name, dtype, times, estimate)
    assert math.exp(estimate.bounds[0]) >= AT_LEAST


def _seconds(
    loop: Loop,
    model: nn.Module,
    data: Data,
    dtype: torch.dtype,
    settings: TrainSettings,
) -> float:
    train = loop(copy.deepcopy(model), data, dtype, settings)
    began = time.perf_counter()
    train()
    return time.perf_counter() - began


def _keep(
    folder: Path,
    name: str,
    dtype: torch.dtype,
    times: list[tuple[float, float]],
    estimate: Estimate,
) -> None:
    """Add the figures to `trainer_speed.json`, and say them."""
    ratios = [plain / ours for plain, ours in times]
    row = {
        "images_per_s_over_plain": round(median(ratios), 4),
        "lower_95": round(math.exp(estimate.bounds[0]), 4),
        "pairs": len(times),
        "plain_s": round(median(plain for plain, _ in times), 3),
    }
    kind = str(dtype).removeprefix("torch.")
    print(f"\n{name} {kind}: {row}")
    folder.mkdir(exist_ok=True)
    path = folder / "trainer_speed.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, f"{name} {kind}": row}, indent=1) + "\n")
