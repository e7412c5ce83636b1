"""Image folders as people have them: strays are no class, and no image is lost or white."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.datasets.imagefolder import image_folder
from pytest_energybench.experiment.training.errors import DataError

RANDOM = np.random.default_rng(0)
SPLITS = ("train", "val")


def picture(path: Path, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, 255, (40, 40, 3), dtype=np.uint8)).convert(mode).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in SPLITS:
        for name in ("cat", "dog"):
            for number in range(4):
                picture(tmp_path / "data" / split / name / f"{split}{number}.jpg")
    return tmp_path / "data"


def load(root: Path) -> Data:
    return image_folder(str(root), 32, torch.device("cpu"), 0)


def sizes(root: Path) -> tuple[int, list[int]]:
    data = load(root)
    return data.classes, [len(split) for split in (data.train, data.validation, data.test)]


LEFT_BEHIND: dict[str, Callable[[Path], None]] = {
    "notebooks": lambda root: [picture(root / s / ".ipynb_checkpoints/a.jpg") for s in SPLITS],
    "notebooks, in one split": lambda root: (root / "train/.ipynb_checkpoints").mkdir(),
    "notebooks, in a class": lambda root: picture(root / "val/cat/.ipynb_checkpoints/a.jpg"),
    "Synology": lambda root: [picture(root / s / "@eaDir/x.jpg") for s in SPLITS],
    "a zip made on macOS": lambda root: (root / "train/__MACOSX").mkdir(),
    "AppleDouble": lambda root: (root / "train/cat/._train0.jpg").write_bytes(b"\0\5\x16\7"),
    "a folder named like an image": lambda root: (root / "train/cat/album.jpg").mkdir(),
    "a link upwards": lambda root: (root / "train/cat/loop").symlink_to(root / "train/cat"),
}  # type: ignore[dict-item]


@pytest.mark.parametrize("kind", LEFT_BEHIND)
def test_what_others_leave_behind_is_neither_class_nor_image(root: Path, kind: str) -> None:
    before, fingerprint = sizes(root), load(root).fingerprint
    LEFT_BEHIND[kind](root)
    assert sizes(root) == before == (2, [8, 4, 4])
    assert load(root).fingerprint == fingerprint


def test_links_are_followed_and_images_behind_them_counted_once(root: Path) -> None:
    picture(root / "more" / "m.jpg")
    for name in ("more", "again"):
        (root / "train/cat" / name).symlink_to(root / "more")
    (root / "store").mkdir()
    (root / "train/dog").rename(root / "store/dog")
    (root / "train/dog").symlink_to(root / "store/dog")
    assert sizes(root) == (2, [9, 4, 4])


def test_a_link_to_nothing_is_named(root: Path) -> None:
    (root / "train/cat/gone.jpg").symlink_to(root / "nowhere.jpg")
    with pytest.raises(DataError, match=r"gone\.jpg: a link to nothing"):
        load(root)


def test_an_image_of_16_bits_is_not_white(root: Path) -> None:
    ramp = np.linspace(0, 65535, 1600, dtype=np.uint16).reshape(40, 40)
    for split in SPLITS:
        for name in ("cat", "dog"):
            for file in (root / split / name).iterdir():
                file.unlink()
            for number in range(4):
                Image.fromarray(ramp).save(root / split / name / f"{number}.png")
    deep, _ = next(load(root).validation.ordered(2))
    Image.fromarray((ramp >> 8).astype(np.uint8)).save(root / "flat.png")
    for split in SPLITS:
        for file in (root / split).rglob("*.png"):
            file.write_bytes((root / "flat.png").read_bytes())
    flat, _ = next(load(root).validation.ordered(2))
    assert torch.equal(deep, flat)
    assert float(deep.std()) > 0.5


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.ones((40, 40), dtype=np.float32), "pixels are floats"),
        (np.full((40, 40), 2**20, dtype=np.int32), "more than 16 bits"),
    ],
)
def test_pixels_of_no_known_range_are_refused(root: Path, pixels: np.ndarray, said: str) -> None:
    Image.fromarray(pixels).save(root / "train/cat/odd.tiff")
    with pytest.raises(DataError, match=rf"odd\.tiff: .*{said}"):
        load(root)


def test_other_images_under_the_same_names_and_sizes_are_other_data(root: Path) -> None:
    before = load(root).fingerprint
    file = root / "train/cat/train0.jpg"
    content = bytearray(file.read_bytes())
    place = len(content) // 2
    content[place] ^= 1
    file.write_bytes(content)
    assert load(root).fingerprint != before
