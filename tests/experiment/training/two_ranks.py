"""What `test_ranks.py` has two processes do: run it with rank, number of ranks and a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.distributed import FileStore

from pytest_energybench.experiment.compression.plan import BitGrid, CompressionPlan
from pytest_energybench.experiment.compression.run import prepare, warm_up
from pytest_energybench.experiment.training import cache, hardware
from pytest_energybench.experiment.training.distributed import ManyRanks, current, enter
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.optimizers import Masked
from pytest_energybench.experiment.training.rank_coordinator import RankCoordinator
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import CPU, small_data, small_net

SETTINGS = TrainSettings(batch_size=15, max_epochs=2, evaluation_batch=33)
"""Fifteen images for two ranks: eight and seven. A batch of 33 leaves one image at the end."""

DATA = small_data()


def trained(plan: CompressionPlan, settings: TrainSettings = SETTINGS) -> dict[str, Any]:
    """What a training comes to, as plain values."""
    warm_up(plan, DATA, settings, CPU)
    prepared = prepare(plan, settings, CPU, "net")
    training = prepared.train(DATA)
    return {
        "epochs": [
            (epoch.train_loss, epoch.validation.loss, epoch.validation.correct)
            for epoch in training.history
        ],
        "best": training.best.number,
        "images": training.images,
        "state": prepared.plan.model.state_dict(),
        "test": evaluate(prepared.plan.model, DATA.test, 33).correct,
        "kinds": sorted({type(module).__name__ for module in prepared.plan.model.modules()}),
        "masked": isinstance(prepared.updater, Masked),
    }


def on_the_grid(*, bfloat16: bool) -> dict[str, Any]:
    """On a CPU that computes in bfloat16, or on one that doesn't, whatever this one does."""
    with patch.object(hardware, "_cpu_has_bfloat16", lambda: bfloat16):
        return trained(CompressionPlan(small_net(), grid=BitGrid(20)))


def removing_half(model: nn.Module) -> CompressionPlan:
    weight = model.get_parameter("4.weight")
    mask = (weight.abs() > weight.abs().median()).float()
    with torch.no_grad():
        weight.mul_(mask)
    return CompressionPlan(model, masks={"4.weight": mask})


SCENARIOS: dict[str, Callable[[], Any]] = {
    "float32": lambda: trained(CompressionPlan(small_net())),
    "grid in bfloat16": lambda: on_the_grid(bfloat16=True),
    "grid in float32": lambda: on_the_grid(bfloat16=False),
    "naive": lambda: trained(
        CompressionPlan(small_net(), grid=BitGrid(8, "truncate", masters=False))
    ),
    "masked": lambda: trained(removing_half(small_net())),
    "dropout": lambda: trained(CompressionPlan(nn.Sequential(*small_net(), nn.Dropout(0.3)))),
    "stopped early": lambda: trained(
        CompressionPlan(small_net()), replace(SETTINGS, patience=1, min_delta=5.0, max_epochs=9)
    ),
}


def once_a_host(folder: Path) -> int:
    """How often two ranks make what is cached."""
    made: list[int] = []

    def make() -> dict[str, torch.Tensor]:
        made.append(1)
        return {"weight": torch.ones(3)}

    with current().host_first():
        state, _ = cache.cached(folder / "warm.weights", make)
    assert torch.equal(state["weight"], torch.ones(3))
    return len(made)


def too_many_ranks() -> str:
    try:
        trained(CompressionPlan(small_net()), replace(SETTINGS, batch_size=1))
    except SettingError as error:
        return str(error)
    return ""


def main(rank: int, world: int, folder: Path) -> None:
    torch.set_num_threads(1)
    roll = RankCoordinator(FileStore(str(folder / "store"), world), rank, world)
    enter(ManyRanks(roll, CPU))
    found = {name: scenario() for name, scenario in SCENARIOS.items()}
    found["made"] = once_a_host(folder)
    uneven = torch.full((3,), float(rank))
    current().equalise([uneven])
    found["equalised"] = uneven.tolist()
    found["too many"] = too_many_ranks()
    torch.save(found, folder / f"{rank}.pt")
    roll.settle()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
