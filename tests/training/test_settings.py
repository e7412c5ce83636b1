"""Presets: sizes that are the same for every method of a model."""

from __future__ import annotations

import pytest

from pytest_energybench.training.errors import SettingError
from pytest_energybench.training.settings import HEAVY, MODELS, PLAIN, PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_plain_nets_train_in_larger_batches(name: str) -> None:
    sizes = {model: preset(name).train_settings(model, seed=0).batch_size for model in MODELS}
    largest_with_normalisation = max(size for model, size in sizes.items() if model not in PLAIN)
    assert all(sizes[model] == 128 > largest_with_normalisation for model in PLAIN)


def test_an_epoch_has_the_same_steps_whatever_the_batch() -> None:
    quick = {model: preset("quick").train_settings(model, seed=0) for model in MODELS}
    steps = {model: (each.images_per_epoch or 0) / each.batch_size for model, each in quick.items()}
    assert steps == {model: 7 if model in HEAVY else 11 for model in MODELS}
    assert preset("standard").train_settings("vgg16", seed=0).images_per_epoch is None


@pytest.mark.parametrize("name", PRESETS)
def test_the_rules_are_the_papers(name: str) -> None:
    settings = preset(name).train_settings("resnet18", seed=7)
    assert (settings.learning_rate, settings.momentum, settings.weight_decay) == (0.01, 0.9, 1e-4)
    assert (settings.patience, settings.min_delta, settings.seed) == (3, 0.05, 7)
    assert settings.max_epochs >= 10


def test_inception_gets_larger_images() -> None:
    assert (preset("quick").input_size("inception_v3"), preset("quick").input_size("vgg16")) == (
        75,
        64,
    )


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingError, match="unknown preset 'slow': choose one of quick, standard"):
        preset("slow")
