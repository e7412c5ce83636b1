"""The published setting on files as it finds them: ImageNet's folders, torchvision's weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet18_Weights

from pytest_energybench.experiment.training.models import build
from tests.docs.pages import ROOT

CLASSES = {"n01440764": "tench", "n01443537": "goldfish"}


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """ImageNet's layout with two classes: 8 images of each to train, 8 held out, as JPEG files."""
    folder = tmp_path / "imagenet"
    random = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 8)):
        for level, wnid in enumerate(CLASSES):
            for number in range(count):
                file = folder / split / wnid / f"{number}.JPEG"
                file.parent.mkdir(parents=True, exist_ok=True)
                pixels = random.integers(0, 100, (240, 260, 3)) + 100 * level
                Image.fromarray(pixels.astype(np.uint8)).save(file)
    words = {wnid: (name,) for wnid, name in CLASSES.items()}
    torch.save((words, [wnid for wnid in CLASSES for _ in range(8)]), folder / "meta.bin")
    return folder


@pytest.fixture
def torch_home(tmp_path: Path) -> Path:
    """torchvision's cache, with a file where it keeps ResNet18's published weights."""
    name = ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    file = tmp_path / "torch" / "hub" / "checkpoints" / name
    file.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(build("resnet18", 1000, 224).state_dict(), file)
    return tmp_path / "torch"


@pytest.mark.slow
def test_the_paper_s_preset_trains_on_imagenet_from_published_weights(
    imagenet: Path, torch_home: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "bench_cases/test_paper.py", "-k", "resnet18"),
            *("--bench-preset=paper", f"--bench-data=imagenet:{imagenet}", "--bench-device=cpu"),
            *("--bench-methods=amp,steganographic", "--bench-max-drop=99 %"),
            "--bench-epochs=2",
            *(f"--energy-report-dir={tmp_path}", f"--energy-json={tmp_path / 'run.json'}"),
            *("-p", "no:cacheprovider"),
        ],
        cwd=ROOT,
        env={**os.environ, "TORCH_HOME": str(torch_home)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    run = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert run["settings"]["preset"] == "paper"
    assert run["settings"]["data"] == "imagenet:imagenet"
    assert run["settings"]["weights"] == "imagenet"
    metrics = {case["params"]["method"]: case["metrics"] for case in run["cases"]}
    assert set(metrics) == {"baseline", "amp", "steganographic"}, done.stdout + done.stderr
    for figures in metrics.values():
        assert figures["total"] == 8, done.stdout
        assert figures["images_trained"] == 16 * figures["epochs"]
    assert metrics["steganographic"]["zeroed_bits"] > 0
