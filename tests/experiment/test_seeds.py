"""Rounds of an experiment: each has a seed of its own, and no figure depends on the order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import pytest_energybench.experiment.experiment  # noqa: F401 - before pytester's runs
from pytest_energybench.cli.main import main

SUITE = """
import json, pathlib
import pytest, torch
from torch import nn
from pytest_energybench.experiment import Experiment, methods
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.metering.fake import FakeMeter

METER = FakeMeter({{"cpu:0": 10.0}})

class Working(nn.Module):
    def forward(self, images):
        METER.clock.advance(1.0 + float(images.sum()) / 1e5)  # each seed draws other images
        return images

def images(seed):
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(60) % 3
    noise = torch.rand(60, 1, 4, 4, generator=random)
    return noise + 2 * nn.functional.one_hot(labels, 4)[:, None, None], labels

def model(seed):
    torch.manual_seed(seed)
    net = nn.Sequential(
        Working(), nn.Conv2d(1, 8, 3, padding=1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 3)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images(0)[0]), images(0)[1]).backward()
        optimizer.step()
    return net

@pytest.fixture(scope="module")
def experiment():
    rules = TrainSettings(batch_size=25, max_epochs=2, seed={seed})
    made = Experiment(
        "tiny", model=model, train=images(0), validation=images(1), test=images(2), device="cpu",
        max_drop=0.3, train_settings=rules,
    )
    yield made
    trained = {{seed: (at.accuracy, at.loss) for seed, at in made._references.items()}}
    pathlib.Path("references.json").write_text(json.dumps(trained))

@methods("lowrank", group="tiny")
def test_tiny(experiment, energy, method):
    experiment.run(energy, method)
"""

CONFTEST = """
def pytest_energy_meter(config):
    import test_tiny
    return test_tiny.METER

def pytest_energy_settings(config):
    import test_tiny
    return {"seed": test_tiny.SEED}
"""

Cases = dict[str, dict[str, Any]]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[[int, int, str], None]:
    """Run the suite in so many rounds from this seed on, and write its run file."""
    pytester.makeconftest(CONFTEST)
    # A first optimizer loads what can't be loaded twice, and pytester forgets what a run loads.
    torch.optim.SGD([torch.zeros(1)], lr=1.0)

    def run(seed: int, rounds: int, file: str) -> None:
        suite = SUITE.format(seed="SEED") + f"\nSEED = {seed}\n"
        pytester.makepyfile(test_tiny=suite)
        done = pytester.runpytest_inprocess(f"--energy-rounds={rounds}", f"--energy-json={file}")
        assert done.ret in (0, 1), done.stdout.str()  # what so small a net loses is not the point

    return run


def cases(file: str) -> Cases:
    """By method."""
    with open(file, encoding="utf-8") as stream:
        return {case["params"]["method"]: case for case in json.load(stream)["cases"]}


def figures(case: dict[str, Any]) -> list[dict[str, Any]]:
    """What each round's training came to."""
    names = ("seed", "correct", "epochs", "validation_accuracy", "validation_loss", "trainings")
    return [{name: each["metrics"][name] for name in names} for each in case["rounds"]]


def test_rounds_have_seeds_of_their_own_and_the_figures_of_runs_with_these_seeds(
    run: Callable[[int, int, str], None],
) -> None:
    run(7, 2, "rounds.json")  # the first round runs backwards: the method before its reference
    references = json.loads(Path("references.json").read_text("utf-8"))
    run(8, 1, "eight.json")
    run(7, 1, "seven.json")
    together = cases("rounds.json")
    for case in together.values():
        assert [each["seed"] for each in case["rounds"]] == [7, 8]
        assert len({str(each) for each in figures(case)}) == 2
        curves = [each for each in case["series"] if each["name"] == "validation loss"]
        losses = {each["round"]: each["points"] for each in curves}
        assert set(losses) == {0, 1}
        assert losses[0] != losses[1]
        accuracies = [each["metrics"]["accuracy"] for each in case["rounds"]]
        assert case["metrics"]["accuracy"] == pytest.approx(sum(accuracies) / 2)
    reached = together["baseline"]["rounds"][0]["metrics"]
    assert references == {"7": [reached[f"validation_{of}"] for of in ("accuracy", "loss")]}
    (accuracy,) = (c for c in together["lowrank"]["comparisons"] if c["quantity"] == "accuracy")
    assert (accuracy["method"], accuracy["n"]) == ("paired", 2)

    assert main(["merge", "eight.json", "seven.json", "-o", "merged.json"]) == 0
    merged = cases("merged.json")
    for method, case in merged.items():
        assert [each["seed"] for each in case["rounds"]] == [7, 8]
        assert figures(case) == figures(together[method])
        assert case["total_j"] == pytest.approx(together[method]["total_j"])
        assert case["result"]["kind"] == together[method]["result"]["kind"]
    found, expected = (each["lowrank"]["comparisons"] for each in (merged, together))
    assert [(c["method"], c["n"], c["finding"]) for c in found] == [
        (c["method"], c["n"], c["finding"]) for c in expected
    ]
    assert main(["merge", "seven.json", "rounds.json", "-o", "twice.json"]) == 4
