"""One training over two real processes comes to what one process comes to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_energybench.experiment.training.datasets.data import WHOLE, Share
from pytest_energybench.experiment.training.distributed import (
    ManyRanks,
    Ranks,
    current,
    entered,
    own_device,
)
from pytest_energybench.experiment.training.errors import SettingError
from tests.experiment.training.nets import coloured
from tests.experiment.training.two_ranks import SCENARIOS

Found = dict[str, Any]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What each of two ranks found."""
    folder = tmp_path_factory.mktemp("ranks")
    root = Path(__file__).parents[3]
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.experiment.training.two_ranks",
                str(rank),
                "2",
                str(folder),
            ],
            cwd=root,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.fixture(scope="module")
def one() -> Found:
    """What one process finds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {name: scenario() for name, scenario in SCENARIOS.items() if name != "dropout"}
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["float32", "masked", "stopped early"])
def test_two_ranks_come_to_the_weights_of_one(one: Found, two: list[Found], name: str) -> None:
    alone, together = one[name], two[0][name]
    for key, value in alone["state"].items():
        torch.testing.assert_close(together["state"][key], value, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(together["epochs"], alone["epochs"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    for what in ("best", "images", "test"):
        assert together[what] == alone[what]


@pytest.mark.parametrize("name", ["grid in bfloat16", "grid in float32", "naive"])
def test_in_narrow_types_they_come_near_it(one: Found, two: list[Found], name: str) -> None:
    """Sums of rounded gradients are rounded once more."""
    alone, together = one[name], two[0][name]
    assert [loss for loss, _, _ in together["epochs"]] == pytest.approx(
        [loss for loss, _, _ in alone["epochs"]], rel=0.05
    )
    assert together["test"] == pytest.approx(alone["test"], abs=10)


@pytest.mark.parametrize("name", SCENARIOS)
def test_both_ranks_end_with_the_same_bits(two: list[Found], name: str) -> None:
    first, second = (found[name] for found in two)
    assert first["state"].keys() == second["state"].keys()
    for key, value in first["state"].items():
        assert torch.equal(value, second["state"][key])
    for what in ("epochs", "best", "images", "test"):
        assert first[what] == second[what]


def test_removed_weights_stay_removed(two: list[Found]) -> None:
    assert two[0]["masked"]["masked"]
    weight = two[0]["masked"]["state"]["4.weight"]
    assert (weight == 0).float().mean() == pytest.approx(0.5, abs=0.01)


def test_early_stopping_ends_both(two: list[Found]) -> None:
    assert [len(found["stopped early"]["epochs"]) for found in two] == [2, 2]


def test_the_model_is_itself_again(one: Found, two: list[Found]) -> None:
    assert two[0]["float32"]["kinds"] == one["float32"]["kinds"]


def test_the_first_of_a_host_makes_what_is_cached(two: list[Found]) -> None:
    assert [found["made"] for found in two] == [1, 0]


def test_all_get_the_first_one_s_values(two: list[Found]) -> None:
    assert two[1]["equalised"] == [0.0, 0.0, 0.0]


def test_more_ranks_than_images_in_a_batch_are_refused(two: list[Found]) -> None:
    assert "a batch of 1 images can't be divided among 2 ranks" in two[0]["too many"]
    assert two[1]["too many"] == two[0]["too many"]


@pytest.mark.parametrize("world", [2, 3, 5])
def test_shares_are_the_batch_divided(world: int) -> None:
    split = coloured(64)
    shares = [Share(rank, world) for rank in range(world)]

    def order() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    whole = list(split.shuffled(16, order()))
    parts = [list(split.shuffled(16, order(), None, share)) for share in shares]
    for number, (images, labels) in enumerate(whole):
        assert torch.equal(torch.cat([part[number][0] for part in parts]), images)
        assert torch.equal(torch.cat([part[number][1] for part in parts]), labels)
        sizes = [len(part[number][1]) for part in parts]
        assert max(sizes) - min(sizes) <= 1
    seen = [len(labels) for share in shares for _, labels in split.ordered(21, share)]
    assert sum(seen) == 64
    assert min(seen) > 0  # an empty part of the last batch is left out


def test_a_loss_over_shares_is_weighted_to_that_of_the_batch() -> None:
    losses = torch.randn(11)
    mean = 0.0
    for rank in range(3):
        ranks = ManyRanks.__new__(ManyRanks)
        ranks.share = Share(rank, 3)
        own = ranks.share.of(losses)
        mean += float(own.mean()) * ranks.weight(len(own), 11) / 3
    assert mean == pytest.approx(float(losses.mean()), abs=1e-6)


def test_one_process_is_left_alone() -> None:
    ranks = current()
    assert type(ranks) is Ranks
    assert (ranks.share, ranks.seed(4), ranks.weight(3, 3)) == (WHOLE, 4, 1.0)
    model = torch.nn.Linear(2, 2)
    with ranks.parallel(model) as running:
        assert running is model
    other = Ranks()
    with entered(other):
        assert current() is other
    assert current() is ranks


def test_each_rank_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_device(torch.device("cuda")) == torch.device("cuda", 1)
    assert own_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(SettingError, match="cuda:0 is one GPU, and each rank needs its own"):
        own_device(torch.device("cuda:0"))
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(SettingError, match="no GPU for local rank 2: torch sees 2"):
        own_device(torch.device("cuda"))
