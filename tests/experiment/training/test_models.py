"""The nine models, built without memory for their weights where shapes are all that matters."""

from __future__ import annotations

import pytest
import torch
from torchvision.models import list_models

from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.evaluate import logits_and_loss
from pytest_energybench.experiment.training.model_names import MODELS, register_model
from pytest_energybench.experiment.training.models import build, is_head, uses_aux_head
from pytest_energybench.experiment.training.settings import PRESETS

# Parameters with 1,000 classes, from torchvision's documentation of its weights.
PARAMETERS = {
    "alexnet": 61_100_840,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "inception_v3": 27_161_264,
    "densenet121": 7_978_856,
    "vgg16": 138_357_544,
    "convnext_base": 88_591_464,
}


@pytest.mark.parametrize("name", MODELS)
def test_each_is_torchvision_s_and_has_the_head_that_was_asked_for(name: str) -> None:
    assert name in list_models()
    with torch.device("meta"):
        full = build(name, 1000, 299)
        ten = build(name, 10, 299)
    assert sum(parameter.numel() for parameter in full.parameters()) == PARAMETERS[name]
    shapes = {key: value.shape for key, value in full.state_dict().items()}
    differ = [key for key, value in ten.state_dict().items() if value.shape != shapes[key]]
    assert differ
    assert all(is_head(name, key) for key in differ)


@pytest.mark.parametrize("name", MODELS)
def test_each_takes_the_quick_preset_s_images(name: str) -> None:
    size = PRESETS["quick"].size_of(name).image
    with torch.device("meta"):
        model = build(name, 10, size).eval()
        assert model(torch.empty(2, 3, size, size)).shape == (2, 10)


@pytest.mark.slow
def test_inception_trains_with_its_auxiliary_head_only_where_there_is_room() -> None:
    assert uses_aux_head("inception_v3", 299)
    assert not uses_aux_head("inception_v3", 75)
    assert not uses_aux_head("resnet18", 299)
    torch.manual_seed(0)
    model = build("inception_v3", 10, 299).train()
    images, labels = torch.randn(2, 3, 299, 299), torch.tensor([1, 2])
    logits, loss = logits_and_loss(model, images, labels)
    loss.backward()
    assert logits.shape == (2, 10)
    assert model.AuxLogits.fc.weight.grad.abs().sum() > 0


def test_weights_are_channels_last() -> None:
    model = build("resnet18", 10, 64)
    assert model.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["resnet18", "llama", "my-net"])
def test_a_name_that_means_something_else_is_no_model_of_a_user_s(name: str) -> None:
    with pytest.raises(SettingError, match=f"model name '{name}' is taken or no plain word"):
        register_model(name, lambda *_: torch.nn.Identity())
