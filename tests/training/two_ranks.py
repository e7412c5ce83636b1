"""What `test_ranks.py` has two processes do: run it with rank, number of ranks and a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed import FileStore

from pytest_energybench.compression.masked import Masked
from pytest_energybench.compression.plan import BitGrid, Plan
from pytest_energybench.compression.run import prepare, warm_up
from pytest_energybench.training import cache
from pytest_energybench.training.errors import SettingError
from pytest_energybench.training.evaluate import evaluate
from pytest_energybench.training.ranks import ManyRanks, current, enter
from pytest_energybench.training.rollcall import RollCall
from pytest_energybench.training.settings import TrainSettings
from tests.training.nets import CPU, small_data, small_net

SETTINGS = TrainSettings(batch_size=15, max_epochs=2, evaluation_batch=33)
"""Fifteen images for two ranks: eight and seven. A batch of 33 leaves one image at the end."""

DATA = small_data()


def trained(plan: Plan, settings: TrainSettings = SETTINGS) -> dict[str, Any]:
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


def removing_half(model: nn.Module) -> Plan:
    weight = model.get_parameter("4.weight")
    mask = (weight.abs() > weight.abs().median()).float()
    with torch.no_grad():
        weight.mul_(mask)
    return Plan(model, masks={"4.weight": mask})


SCENARIOS: dict[str, Callable[[], Any]] = {
    "float32": lambda: trained(Plan(small_net())),
    "grid": lambda: trained(Plan(small_net(), grid=BitGrid(20))),
    "naive": lambda: trained(Plan(small_net(), grid=BitGrid(8, "truncate", masters=False))),
    "masked": lambda: trained(removing_half(small_net())),
    "dropout": lambda: trained(Plan(nn.Sequential(*small_net(), nn.Dropout(0.3)))),
    "stopped early": lambda: trained(
        Plan(small_net()), replace(SETTINGS, patience=1, min_delta=5.0, max_epochs=9)
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
        trained(Plan(small_net()), replace(SETTINGS, batch_size=1))
    except SettingError as error:
        return str(error)
    return ""


def main(rank: int, world: int, folder: Path) -> None:
    torch.set_num_threads(1)
    roll = RollCall(FileStore(str(folder / "store"), world), rank, world)
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
