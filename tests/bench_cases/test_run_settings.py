"""What a training depends on is among the run's settings: unlike trainings are not compared."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench_cases.experiments import Experiments
from pytest_energybench.experiment.training.settings import TrainSettings, preset

ELSEWHERE = {"images_per_epoch": "size_resnet18", "batch_size": "size_resnet18"}
"""Rule -> the setting that says it for a model."""


def experiments(
    fingerprint: str = "imagefolder-64-a1b2", weights: Path | None = None
) -> Experiments:
    options: Any = SimpleNamespace(
        device="cpu",
        max_drop=0.01,
        search="bisection",
        lowrank_layers="wide",
        seed=0,
        epochs=12,
        subset=None,
        preset=lambda **_: preset("quick"),
        data=lambda _: "imagefolder:/home/me/cats",
        weights=lambda _: "warm" if weights is None else str(weights),
        weights_folder=None if weights is None else str(weights),
    )
    made = Experiments(options)
    made._data[64] = SimpleNamespace(fingerprint=fingerprint, image_size=64)  # type: ignore[assignment]
    return made


def test_every_rule_of_a_training_is_a_setting() -> None:
    settings = experiments().settings()
    for field in fields(TrainSettings):
        assert ELSEWHERE.get(field.name, field.name) in settings
    assert settings["size_vgg16"] == "32 px, batches of 128, 3 steps an epoch"
    assert {"torch", "threads", "float32_matmul_precision", "onednn_fpmath_mode"} <= settings.keys()


def test_the_data_is_told_by_its_content_at_whatever_size() -> None:
    one, other = experiments().settings(), experiments("imagefolder-64-ffff").settings()
    assert one["data"] == other["data"] == "imagefolder:cats"
    assert one["data_fingerprint"] == "imagefolder-a1b2"
    assert other["data_fingerprint"] == "imagefolder-ffff"


def test_weights_are_told_by_their_content_not_by_their_folders_name(tmp_path: Path) -> None:
    found = []
    for place, content in (("a", b"some"), ("b", b"other"), ("c", b"some")):
        folder = tmp_path / place / "weights"
        folder.mkdir(parents=True)
        (folder / "resnet18.pt").write_bytes(content)
        found.append(experiments(weights=folder).settings())
    assert {settings["weights"] for settings in found} == {"weights"}
    one, other, copy = (settings["weights_fingerprint"] for settings in found)
    assert one == copy != other
    assert "weights_fingerprint" not in experiments().settings()


def test_how_waiting_threads_spend_their_time_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spinning is CPU time, and an estimate is made of it."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert experiments().settings()["omp_wait_policy"] == "active"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert "omp_wait_policy" not in experiments().settings()


def test_how_exactly_float32_is_computed_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "bf16")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        settings = experiments().settings()
    finally:
        torch.set_float32_matmul_precision(before)
    assert settings["float32_matmul_precision"] == "medium"
    assert settings["onednn_fpmath_mode"] == "BF16"
