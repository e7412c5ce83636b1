"""What long work says of itself: the trainer's words, and when it looks for them."""

from __future__ import annotations

from pytest_energybench.experiment.training.optimizers import PlainUpdater
from pytest_energybench.experiment.training.progress import SILENT, Part
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.experiment.training.trainer import train
from tests.experiment.training.nets import CPU, small_data, small_net
from tests.experiment.training.told import Told

SETTINGS = TrainSettings(batch_size=16, max_epochs=2, patience=9, evaluation_batch=50)


def words_of_training(*, due: bool) -> list[str]:
    model, told = small_net(), Told(due=due)
    train(model, small_data(), PlainUpdater(model, SETTINGS), SETTINGS, CPU, progress=told)
    return told.words


def test_each_epoch_is_told_with_its_validation() -> None:
    first, second = words_of_training(due=False)
    assert first.startswith("epoch 1 of at most 2, validation loss ")
    assert second.startswith("epoch 2 of at most 2, validation loss ")
    assert ", accuracy " in second


def test_within_an_epoch_images_and_loss_are_told_where_that_is_due() -> None:
    words = words_of_training(due=True)
    assert len(words) == 2 * (128 // 16) + 2
    assert words[0].startswith("epoch 1 of at most 2, 12 % of its images, loss ")
    assert words[7].startswith("epoch 1 of at most 2, 100 % of its images, loss ")


def test_a_part_says_what_it_is_a_part_of() -> None:
    told = Told(due=True)
    part = Part(Part(told, "training 2"), "epoch 1")
    part("loss 0.5")
    assert (part.due, told.words) == (True, ["training 2, epoch 1, loss 0.5"])


def test_where_nobody_looks_nothing_is_due() -> None:
    SILENT("epoch 1")
    assert not Part(SILENT, "training 2").due
