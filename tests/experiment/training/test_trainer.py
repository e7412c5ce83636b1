"""The training loop on a small net with real layers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.datasets.data import TensorSplit
from pytest_energybench.experiment.training.errors import DivergedError
from pytest_energybench.experiment.training.evaluate import Score, evaluate
from pytest_energybench.experiment.training.optimizers import PlainUpdater
from pytest_energybench.experiment.training.settings import EarlyStopping, TrainSettings
from pytest_energybench.experiment.training.trainer import Training, train
from tests.experiment.training.nets import CPU, small_data, small_net

SETTINGS = TrainSettings(batch_size=16, max_epochs=12, evaluation_batch=50)
DATA = small_data()


def run(model: nn.Module, settings: TrainSettings = SETTINGS, **more: object) -> Training:
    return train(model, DATA, PlainUpdater(model, settings), settings, CPU, **more)  # type: ignore[arg-type]


def stops_at(losses: list[float]) -> int:
    stopping = EarlyStopping(patience=3, min_delta=0.05)
    for number, loss in enumerate(losses, 1):
        if stopping.update(loss):
            return number
    return 0


def test_stops_after_three_epochs_without_a_fall_of_five_hundredths() -> None:
    assert stops_at([1.0, 0.9, 0.86, 0.86, 0.86]) == 5
    assert stops_at([1.0, 0.9, 0.86, 0.86, 0.84, 0.84, 0.84]) == 0
    assert stops_at([1.0, 0.96, 0.951, 0.95]) == 4
    assert stops_at([1.0, math.nan, math.nan, math.nan]) == 4


def test_many_small_steps_down_count_once_they_add_up_to_the_delta() -> None:
    # Measured from the last epoch that counted, not from the lowest loss in between.
    assert stops_at([1.0, 0.97, 0.94, 0.91, 0.88, 0.85]) == 0


def test_it_learns_and_keeps_the_weights_of_the_lowest_validation_loss() -> None:
    model = small_net()
    before = evaluate(model, DATA.validation, 50)
    training = run(model)
    after = evaluate(model, DATA.validation, 50)
    assert after.accuracy > before.accuracy + 0.3
    assert training.best.validation.loss == min(e.validation.loss for e in training.history)
    assert after == training.best.validation
    assert training.images == training.epochs * 128


def test_not_the_last_weights_when_the_loss_rises_again() -> None:
    model = small_net()
    settings = replace(SETTINGS, learning_rate=0.3, max_epochs=20, patience=20)
    training = run(model, settings)
    assert training.best.number < training.epochs
    assert evaluate(model, DATA.validation, 50) == training.best.validation


def test_the_same_seed_gives_the_same_weights_whatever_torch_s_own_state() -> None:
    states = []
    for own in (1, 2):
        model = nn.Sequential(*small_net(), nn.Dropout(0.3))
        torch.manual_seed(own)
        states.append((run(model), model.state_dict()))
    (first, one), (second, two) = states
    assert [e.validation for e in first.history] == [e.validation for e in second.history]
    assert all(torch.equal(one[key], two[key]) for key in one)
    other = small_net()
    run(other, replace(SETTINGS, seed=1))
    assert not torch.equal(other.state_dict()["0.weight"], one["0.weight"])


def test_torch_s_random_state_is_left_as_it_was() -> None:
    model = nn.Sequential(*small_net(), nn.Dropout(0.3))
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    run(model, replace(SETTINGS, max_epochs=1))
    assert torch.equal(torch.get_rng_state(), expected)


def test_an_epoch_that_is_enough_is_the_last_and_its_weights_are_kept() -> None:
    model = small_net()
    whole = run(small_net())
    wanted = whole.history[3].validation

    def enough(score: Score) -> bool:
        return score == wanted

    training = run(model, enough=enough)
    assert [e.validation for e in training.history] == [e.validation for e in whole.history[:4]]
    assert not training.capped
    assert training.best.number == 4
    assert evaluate(model, DATA.validation, 50) == wanted


def test_what_is_enough_is_kept_though_an_epoch_before_had_a_lower_loss() -> None:
    model = small_net()
    settings = replace(SETTINGS, learning_rate=0.3, max_epochs=20, patience=20)
    losses: list[float] = []

    def rises(score: Score) -> bool:
        losses.append(score.loss)
        return score.loss > min(losses)

    training = run(model, settings, enough=rises)
    assert training.best is training.history[-1]
    assert training.best.validation.loss > min(losses)
    assert evaluate(model, DATA.validation, 50) == training.best.validation


def test_the_cap_is_told_and_early_stopping_is_not_taken_for_it() -> None:
    assert run(small_net(), replace(SETTINGS, max_epochs=2)).capped
    stopped = run(small_net(), replace(SETTINGS, patience=1, min_delta=5.0))
    assert (stopped.capped, stopped.epochs) == (False, 2)


def test_the_default_cap_leaves_room_for_ten_epochs() -> None:
    assert TrainSettings().max_epochs >= 10


def test_an_epoch_trains_the_images_it_was_given() -> None:
    training = run(small_net(), replace(SETTINGS, images_per_epoch=48, max_epochs=3))
    assert training.images == 3 * 48


def test_seconds_and_joules_are_kept() -> None:
    spent = iter(range(10, 1000, 10))
    training = run(small_net(), joules=lambda: float(next(spent)))
    assert [epoch.joules for epoch in training.history] == [
        10.0 * number for number in range(1, training.epochs + 1)
    ]
    seconds = [epoch.seconds for epoch in training.history]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_a_loss_that_is_no_number_ends_the_training_with_an_error() -> None:
    model = small_net()
    with pytest.raises(DivergedError, match=r"the loss is nan .* learning rate 1e\+20"):
        run(model, replace(SETTINGS, learning_rate=1e20))


def test_images_that_are_no_numbers_do_so_too() -> None:
    images = torch.full((64, 3, 8, 8), math.nan)
    data = replace(DATA, train=TensorSplit(images, torch.zeros(64, dtype=torch.int64)))
    model = small_net()
    with pytest.raises(DivergedError, match="epoch 1"):
        train(model, data, PlainUpdater(model, SETTINGS), SETTINGS, CPU)


def test_evaluation_changes_neither_weights_nor_statistics() -> None:
    model = small_net()
    before: dict[str, Tensor] = {k: v.clone() for k, v in model.state_dict().items()}
    first = evaluate(model, DATA.test, 30)
    assert evaluate(model, DATA.test, 30) == first
    assert first.total == 100
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


class _Remembering(nn.Module):
    """Makes a scale at its first forward pass, and multiplies with it from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.net = small_net()
        self.scale: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        if self.scale is None:
            self.scale = images.new_ones(10)
        logits: Tensor = self.net(images) * self.scale
        return logits


def test_what_a_model_keeps_of_an_evaluation_serves_its_training() -> None:
    model = _Remembering()
    evaluate(model, DATA.validation, 50)
    assert run(model).epochs >= 1
