"""Real JPEG files in ImageNet layout, good and bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_energybench.experiment.training.datasets import images
from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.datasets.sources import load_data
from pytest_energybench.experiment.training.errors import DataError, SettingError
from pytest_energybench.experiment.training.hardware import generator
from pytest_energybench.experiment.training.settings import parse_source
from tests.experiment.training.nets import CPU


def write_jpeg(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for split, count in (("train", 6), ("val", 4)):
        for number, name in enumerate(("cat", "dog")):
            for image in range(count):
                write_jpeg(root / split / name / f"{image}.jpg", 100 * number + image)
    return root


def load(folder: Path, workers: int = 0) -> Data:
    return load_data(f"imagefolder:{folder}", 32, CPU, workers)


def test_decoded_to_batches_of_the_asked_size(folder: Path) -> None:
    data = load(folder)
    assert (data.classes, data.image_size, len(data.train)) == (2, 32, 12)
    ((batch, labels),) = data.train.ordered(12)
    assert batch.shape == (12, 3, 32, 32)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert labels.tolist() == [0] * 6 + [1] * 6


def test_without_test_folder_val_is_halved_by_class_and_file_name(folder: Path) -> None:
    data = load(folder)
    assert len(data.validation) == len(data.test) == 4
    for split in (data.validation, data.test):
        assert [labels.tolist() for _, labels in split.ordered(9)] == [[0, 0, 1, 1]]
    pixels = torch.cat([batch for s in (data.validation, data.test) for batch, _ in s.ordered(9)])
    assert len(torch.unique(pixels.flatten(1), dim=0)) == 8
    (again, _), (first, _) = next(load(folder).test.ordered(9)), next(data.test.ordered(9))
    assert torch.equal(again, first)


def test_a_test_folder_is_used_as_it_is(folder: Path) -> None:
    for name in ("cat", "dog"):
        write_jpeg(folder / "test" / name / "x.jpg", 5)
    data = load(folder)
    assert (len(data.validation), len(data.test)) == (8, 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_augmentation_moves_with_the_seed_and_only_with_it(folder: Path, workers: int) -> None:
    split = load(folder, workers).train
    torch.manual_seed(0)
    first = [batch for batch, _ in split.shuffled(4, generator(1))]
    torch.manual_seed(1)
    again = [batch for batch, _ in split.shuffled(4, generator(1))]
    assert torch.equal(torch.cat(first), torch.cat(again))
    plain = {row.numpy().tobytes() for batch, _ in split.ordered(4) for row in batch}
    assert any(row.numpy().tobytes() not in plain for row in torch.cat(first))


def test_the_fingerprint_follows_the_files(folder: Path) -> None:
    before = load(folder).fingerprint
    assert load(folder).fingerprint == before
    write_jpeg(folder / "train" / "cat" / "more.jpg", 77)
    assert load(folder).fingerprint != before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no such folder: {tmp_path / 'nowhere'}"):
        load(tmp_path / "nowhere")
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="train holds 0 class folders"):
        load(tmp_path)


def test_an_empty_class_is_named(folder: Path) -> None:
    for file in (folder / "val" / "dog").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=f"empty class: no image in {folder / 'val' / 'dog'}"):
        load(folder)


def test_a_class_that_is_not_in_both_is_named(folder: Path) -> None:
    write_jpeg(folder / "val" / "bird" / "0.jpg", 1)
    with pytest.raises(DataError, match="differ in classes: bird"):
        load(folder)


def test_one_validation_image_cannot_be_halved(folder: Path) -> None:
    for number in range(1, 4):
        (folder / "val" / "dog" / f"{number}.jpg").unlink()
    with pytest.raises(DataError, match="holds one image"):
        load(folder)


@pytest.mark.parametrize("fully", [images.FULLY_DECODED, 0], ids=["decoded", "ends only"])
@pytest.mark.parametrize("damage", ["text", "empty", "cut"])
def test_an_unreadable_image_is_named_before_training(
    folder: Path, damage: str, fully: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "FULLY_DECODED", fully)
    bad = folder / "train" / "dog" / "3.jpg"
    content = bad.read_bytes()
    bad.write_bytes(
        {"text": b"no image", "empty": b"", "cut": content[: len(content) // 2]}[damage]
    )
    with pytest.raises(DataError) as raised:
        load(folder)
    assert f"unreadable image {bad}" in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


@pytest.mark.parametrize("spec", ["cats", "imagefolder", "imagefolder:", "digits:x", ""])
def test_unknown_data_names_the_forms(spec: str) -> None:
    with pytest.raises(SettingError, match="digits, imagefolder:PATH, cifar10:PATH, imagenet:PATH"):
        parse_source(spec)


def test_a_subset_has_some_images_of_every_class_and_always_the_same(folder: Path) -> None:
    def subset(most: int) -> Data:
        return load_data(f"imagefolder:{folder}", 32, CPU, subset=most)

    few = subset(1)
    assert [len(split) for split in (few.train, few.validation, few.test)] == [2, 2, 2]
    assert few.classes == 2  # a model of these classes keeps its head
    for split in (few.train, few.validation, few.test):
        assert [labels.tolist() for _, labels in split.ordered(9)] == [[0, 1]]
    assert few.fingerprint == subset(1).fingerprint != load(folder).fingerprint
    assert subset(100).fingerprint == load(folder).fingerprint
