"""Presets: sizes that are the same for every method of a model."""

from __future__ import annotations

import pytest

from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.model_names import MODELS
from pytest_energybench.experiment.training.settings import (
    COUNTED,
    PRESETS,
    Size,
    TrainSettings,
    preset,
)


def test_a_model_has_the_presets_size_or_its_own() -> None:
    quick = preset("quick")
    assert quick.size_of("resnet50") == quick.size_of("densenet121") == quick.size
    assert quick.size_of("inception_v3").image == 75
    assert preset("paper").size_of("inception_v3").image == 299


@pytest.mark.parametrize("name", PRESETS)
def test_sizes_are_those_of_known_models(name: str) -> None:
    assert set(preset(name).sizes) <= set(MODELS)


def test_an_epoch_has_its_steps_whatever_the_batch() -> None:
    quick = preset("quick")
    for model in MODELS:
        size, settings = quick.size_of(model), quick.train_settings(model, seed=0)
        assert settings.batch_size == size.batch
        assert settings.images_per_epoch == (size.steps or 0) * size.batch
    assert preset("standard").size_of("vgg16") == Size(224, 128, None)
    assert preset("standard").train_settings("vgg16", seed=0).images_per_epoch is None


@pytest.mark.parametrize("name", PRESETS)
def test_the_rules_are_the_papers(name: str) -> None:
    settings = preset(name).train_settings("resnet18", seed=7)
    assert (settings.learning_rate, settings.momentum, settings.weight_decay) == (0.01, 0.9, 1e-4)
    assert (settings.patience, settings.seed) == (3, 7)
    assert settings.max_epochs >= 10


def test_only_the_quick_preset_asks_for_more_than_the_papers_gain_of_an_epoch() -> None:
    deltas = {name: preset(name).train_settings("resnet18", seed=0).min_delta for name in PRESETS}
    assert deltas == {"quick": 0.1, "standard": 0.05, "paper": 0.05}


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingError, match="unknown preset 'slow': choose one of quick, standard"):
        preset("slow")


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("value", [0, -1, 0.5, True, "3"])
def test_a_number_that_trains_nothing_is_refused_before_anything_is_trained(
    name: str, value: object
) -> None:
    with pytest.raises(SettingError, match=f"^{name}={value}: a whole number from 1 is meant"):
        TrainSettings(**{name: value})  # type: ignore[arg-type]


def test_a_learning_rate_is_above_zero() -> None:
    with pytest.raises(SettingError, match="learning_rate=0: a number above 0"):
        TrainSettings(learning_rate=0)
