"""Weights of other classes: the new head is fitted first, and a start that guesses is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
from pytest_energybench.experiment.compression.steganographic import Steganographic
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training import initial_weights
from pytest_energybench.experiment.training.errors import WeightsError
from pytest_energybench.experiment.training.evaluate import check_knows_classes, tail
from pytest_energybench.experiment.training.initial_weights import starting_model
from pytest_energybench.experiment.training.model_names import OwnModel, own_models
from tests.experiment.training.nets import CPU, TensorSplit, small_data, small_net

DATA = small_data()


def net(classes: int, last: type[nn.Module] = nn.Identity) -> nn.Module:
    model = small_net()
    assert isinstance(model, nn.Sequential)
    return nn.Sequential(*model[:-1], nn.Linear(128, classes), last())


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with weights of 1,000 classes; `net` and `other` are models by name."""
    for name, last in (("net", nn.Identity), ("other", nn.Tanh)):
        build = partial(lambda last, classes, _: net(classes, last), last)
        monkeypatch.setitem(own_models, name, OwnModel(build, heads=("9",)))
        torch.save(net(1000).state_dict(), tmp_path / f"{name}.pt")
    return tmp_path


def test_a_head_for_other_classes_is_fitted_and_the_capacity_is_sane(weights: Path) -> None:
    start = starting_model("net", DATA, str(weights), 0, CPU)
    given, taken = net(1000).state_dict(), start.model.state_dict()
    assert all(torch.equal(given[key], taken[key]) for key in given if key[:2] != "9.")
    assert "the new head was fitted to 128 training images, the rest as it came" in start.notes
    check_knows_classes(start.model, DATA.validation, 50)
    task = Task(data=DATA, tolerance=Tolerance(0.01), evaluation_batch=50)
    (search,) = Steganographic()(CompressionPlan(start.model), task).searches
    assert search.curve[0].accuracy > 0.8
    assert 8 <= search.found < 31  # a model that guesses loses nothing with any bit
    again = starting_model("net", DATA, str(weights), 0, CPU).model.state_dict()
    assert all(torch.equal(again[key], taken[key]) for key in taken)


def test_a_head_that_is_not_the_last_linear_layer_is_refused_in_a_line(weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"^the starting weights have other classes, and of 9 "):
        starting_model("other", DATA, str(weights), 0, CPU)


def test_so_many_images_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initial_weights, "MOST_IMAGES", 40)
    assert initial_weights.fit_head(net(10), ["9"], DATA.train, seed=1) == 40


def test_a_start_near_chance_is_refused_in_a_line() -> None:
    with pytest.raises(WeightsError, match=r"has \d+ of 100 validation images right, near the 10"):
        check_knows_classes(net(10), DATA.validation, 50)

    class Knows(nn.Module):
        """Says the class that the images' mean stands for, right for so many of all."""

        def __init__(self, right: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1, 1))
            self.right = right

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            classes = images[:, 0, 0, 0].long()
            classes[torch.arange(len(classes)) >= self.right] += 1
            return nn.functional.one_hot(classes % 2, 2).float()

    labels = torch.arange(100) % 2
    split = TensorSplit(labels.view(-1, 1, 1, 1).float().expand(-1, 3, 2, 2), labels)
    for right in (50, 60, 61):  # guessing has 61 of 100 right in .018 of all cases
        with pytest.raises(WeightsError, match=f"{right} of 100"):
            check_knows_classes(Knows(right), split, 100)
    check_knows_classes(Knows(65), split, 100)
    few = TensorSplit(split.ordered(4).__next__()[0], labels[:4])
    with pytest.raises(WeightsError, match="4 of 4"):  # one time in sixteen
        check_knows_classes(Knows(4), few, 4)


def test_the_binomial_tail_is_that_of_the_tables() -> None:
    assert tail(61, 100, 0.5) == pytest.approx(0.017600, abs=1e-6)
    assert (tail(0, 10, 0.1), tail(3, 3, 1.0)) == (pytest.approx(1.0), 1.0)
