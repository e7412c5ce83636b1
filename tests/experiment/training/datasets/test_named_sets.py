"""torchvision's own data sets, from files that the tests write in their formats."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from pytest_energybench.experiment.training.datasets.sources import load_data
from pytest_energybench.experiment.training.errors import DataError
from tests.experiment.training.nets import CPU


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10's files with 20 images each; the sums torchvision compares are theirs."""
    folder = tmp_path / datasets.CIFAR10.base_folder
    folder.mkdir()
    random = np.random.default_rng(0)

    def write(name: str, content: object) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    def part(name: str) -> list[str]:
        pixels = random.integers(0, 255, (20, 3072), dtype=np.uint8)
        return [name, write(name, {"data": pixels, "labels": [i % 10 for i in range(20)]})]

    monkeypatch.setattr(
        datasets.CIFAR10, "train_list", [part(f"data_batch_{i}") for i in range(1, 6)]
    )
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [part("test_batch")])
    names = {"label_names": [str(i) for i in range(10)]}
    meta = {"filename": "batches.meta", "key": "label_names", "md5": write("batches.meta", names)}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return tmp_path


def test_cifar10_is_split_80_20_and_keeps_its_test_images(cifar: Path) -> None:
    data = load_data(f"cifar10:{cifar}", 32, CPU)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [80, 20, 20]
    ((batch, labels),) = data.validation.ordered(20)
    assert batch.shape == (20, 3, 32, 32)
    assert torch.bincount(labels).tolist() == [2] * 10


def test_a_damaged_or_missing_cifar10_is_said(cifar: Path) -> None:
    with pytest.raises(DataError, match="no such folder: /nowhere"):
        load_data("cifar10:/nowhere", 32, CPU)
    (cifar / datasets.CIFAR10.base_folder / "data_batch_3").write_bytes(b"x")
    with pytest.raises(DataError, match=f"no usable data in {cifar}"):
        load_data(f"cifar10:{cifar}", 32, CPU)


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """ImageNet's layout, prepared, with two classes."""
    names = {"n01440764": ("tench",), "n01443537": ("goldfish",)}
    torch.save((names, ["n01440764"] * 4 + ["n01443537"] * 4), tmp_path / "meta.bin")
    for split, count in (("train", 3), ("val", 4)):
        for wnid in names:
            for number in range(count):
                file = tmp_path / split / wnid / f"{number}.JPEG"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 40), (number * 40, 0, 0)).save(file)
    return tmp_path


def test_imagenet_s_validation_images_are_divided_within_each_class(imagenet: Path) -> None:
    data = load_data(f"imagenet:{imagenet}", 32, CPU)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [6, 4, 4]
    for split in (data.validation, data.test):
        assert [labels.tolist() for _, labels in split.ordered(8)] == [[0, 0, 1, 1]]


def test_of_imagenet_a_subset_keeps_every_class(imagenet: Path) -> None:
    few = load_data(f"imagenet:{imagenet}", 32, CPU, subset=1)
    for split in (few.train, few.validation, few.test):
        assert [labels.tolist() for _, labels in split.ordered(8)] == [[0, 1]]
    assert few.fingerprint == f"{fingerprint('imagenet', imagenet)}-1-a-class"


def test_an_imagenet_folder_that_was_not_prepared_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=f"imagenet: torchvision finds no usable data in {tmp_path}"
    ):
        load_data(f"imagenet:{tmp_path}", 32, CPU)


def fingerprint(kind: str, folder: Path | str) -> str:
    return load_data(f"{kind}:{folder}", 32, CPU).fingerprint


@pytest.mark.parametrize("kind", ["cifar", "imagenet"])
def test_a_copied_folder_has_the_same_fingerprint(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = request.getfixturevalue(kind)
    kind = {"cifar": "cifar10"}.get(kind, kind)
    copy = tmp_path_factory.mktemp("elsewhere") / "under another name"
    shutil.copytree(folder, copy, copy_function=shutil.copy)
    for file in copy.rglob("*"):
        os.utime(file, (1, 1))
    assert fingerprint(kind, copy) == fingerprint(kind, folder) == fingerprint(kind, f"{folder}/")


def test_other_images_or_labels_of_cifar10_have_another(
    cifar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = cifar / datasets.CIFAR10.base_folder / "data_batch_2"
    seen = {fingerprint("cifar10", cifar)}
    content = pickle.loads(batch.read_bytes())
    changes = [
        {"data": np.roll(content["data"], 1)},
        {"labels": content["labels"][::-1]},
    ]
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda _: True)
    for change in changes:
        batch.write_bytes(pickle.dumps(content | change))
        seen.add(fingerprint("cifar10", cifar))
    assert len(seen) == 3


def test_other_images_of_imagenet_have_another(imagenet: Path) -> None:
    seen = {fingerprint("imagenet", imagenet)}
    image = imagenet / "train" / "n01440764" / "0.JPEG"
    Image.new("RGB", (40, 40), (0, 9, 0)).save(image)
    seen.add(fingerprint("imagenet", imagenet))
    image.rename(image.with_name("another.JPEG"))
    seen.add(fingerprint("imagenet", imagenet))
    assert len(seen) == 3
