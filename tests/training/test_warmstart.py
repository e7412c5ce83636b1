"""The warm start of a real ResNet18 on small digits, ended early."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pytest_energybench.training import warmstart
from pytest_energybench.training.data import Data
from pytest_energybench.training.digits import digits
from pytest_energybench.training.evaluate import evaluate
from pytest_energybench.training.starting import starting_model
from tests.training.nets import CPU


@pytest.fixture(scope="module")
def data() -> Data:
    return digits(32, CPU)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """End at an accuracy that is reached within a few steps, but not by chance."""
    monkeypatch.setattr(warmstart, "TARGET", 0.2)
    monkeypatch.setattr(warmstart, "CHECK_EVERY", 4)


def test_made_once_then_read_and_made_again_alike_when_damaged(tmp_path: Path, data: Data) -> None:
    first = starting_model("resnet18", data, "warm", 0, CPU, tmp_path)
    assert evaluate(first.model, data.validation, 60).accuracy >= 0.2
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns

    second = starting_model("resnet18", data, "warm", 0, CPU, tmp_path)
    assert file.stat().st_mtime_ns == written
    assert second.notes == ()
    file.write_bytes(file.read_bytes()[:-1])
    third = starting_model("resnet18", data, "warm", 0, CPU, tmp_path)
    assert any("damaged and made again" in note for note in third.notes)
    for other in (second, third):
        for key, value in first.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[key]), key


def test_seed_and_data_have_weights_of_their_own(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmstart, "MOST_STEPS", 1)
    monkeypatch.setattr(warmstart, "CHECK_EVERY", 1)
    start = starting_model("resnet18", data, "warm", 0, CPU, tmp_path)
    starting_model("resnet18", data, "warm", 1, CPU, tmp_path)
    starting_model("resnet18", digits(40, CPU), "warm", 0, CPU, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    assert any("after 1 steps, short of 0.2" in note for note in start.notes)


@pytest.mark.slow
def test_resnet18_gets_to_about_ninety(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    data = digits(64, CPU)
    start = starting_model("resnet18", data, "warm", 0, CPU, tmp_path)
    assert 0.90 <= evaluate(start.model, data.validation, 60).accuracy <= 0.96
