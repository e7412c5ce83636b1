"""Starting weights from torchvision's cache folder and from a folder of the user's."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.models import ResNet18_Weights

from pytest_energybench.experiment.training import initial_weights
from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.datasets.named_sets import digits
from pytest_energybench.experiment.training.errors import SettingError, WeightsError
from pytest_energybench.experiment.training.initial_weights import starting_model
from pytest_energybench.experiment.training.models import build
from pytest_energybench.experiment.training.weights import adopt
from tests.experiment.training.nets import CPU


@pytest.fixture(scope="module")
def data() -> Data:
    return digits(32, CPU)


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torchvision's loader looks for ResNet18's weights in this test."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    name = ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    file = tmp_path / "hub" / "checkpoints" / name
    file.parent.mkdir(parents=True)
    return file


def test_torchvision_s_cached_weights_are_used_and_the_head_replaced(
    cached: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_weights, "MOST_IMAGES", 20)
    torch.manual_seed(5)
    published = build("resnet18", 1000, 32).state_dict()
    torch.save(published, cached)
    start = starting_model("resnet18", data, "imagenet", 0, CPU)
    state = start.model.state_dict()
    assert all(torch.equal(state[key], published[key]) for key in state if key[:3] != "fc.")
    assert state["fc.weight"].shape == (10, 512)
    assert any("head replaced" in note for note in start.notes)


def test_unreachable_weights_say_where_to_put_the_file(
    cached: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    with pytest.raises(WeightsError) as raised:
        starting_model("resnet18", data, "imagenet", 0, CPU)
    assert "ImageNet weights of resnet18 are not reachable" in str(raised.value)
    assert str(cached) in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


def test_a_damaged_download_is_named(cached: Path, data: Data) -> None:
    cached.write_bytes(b"half a file")
    with pytest.raises(WeightsError, match="unusable") as raised:
        starting_model("resnet18", data, "imagenet", 0, CPU)
    assert str(cached) in str(raised.value)


def test_a_folder_s_weights_are_used_whole(tmp_path: Path, data: Data) -> None:
    torch.manual_seed(6)
    own = build("resnet18", 10, 32).state_dict()
    torch.save(own, tmp_path / "resnet18.pt")
    start = starting_model("resnet18", data, str(tmp_path), 0, CPU)
    assert all(torch.equal(value, own[key]) for key, value in start.model.state_dict().items())
    assert start.notes == ()


def test_what_does_not_fit_is_named(tmp_path: Path, data: Data) -> None:
    with pytest.raises(WeightsError, match=f"{tmp_path / 'resnet18.pt'} does not exist"):
        starting_model("resnet18", data, str(tmp_path), 0, CPU)
    torch.save([1, 2], tmp_path / "resnet18.pt")
    with pytest.raises(WeightsError, match="is no state dict"):
        starting_model("resnet18", data, str(tmp_path), 0, CPU)
    torch.save(build("resnet34", 10, 32).state_dict(), tmp_path / "resnet18.pt")
    with pytest.raises(WeightsError, match=r"do not fit .*layer1.2.conv1.weight: not in the model"):
        starting_model("resnet18", data, str(tmp_path), 0, CPU)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, data: Data) -> None:
    torch.save({"weight": print}, tmp_path / "resnet18.pt")
    with pytest.raises(WeightsError, match="is no state dict"):
        starting_model("resnet18", data, str(tmp_path), 0, CPU)


def test_inception_s_auxiliary_head_is_left_out_of_small_inputs() -> None:
    small = build("inception_v3", 10, 75)
    large = build("inception_v3", 10, 299).state_dict()
    adopted = adopt(small, "inception_v3", large, "a test")
    assert adopted.heads == ()
    assert adopted.notes == ["auxiliary head left out: the images are too small for it"]
    assert torch.equal(small.state_dict()["fc.weight"], large["fc.weight"])


def test_unknown_names_are_refused_with_the_allowed_ones(data: Data) -> None:
    with pytest.raises(SettingError, match="'resnet19': choose from alexnet, resnet18"):
        starting_model("resnet19", data, "warm", 0, CPU)
    with pytest.raises(SettingError, match="'/nowhere': choose warm, imagenet, or a folder"):
        starting_model("resnet18", data, "/nowhere", 0, CPU)
