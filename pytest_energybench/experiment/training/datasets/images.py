"""Image files: finding bad ones before anything is trained on them, and the usual transforms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision import transforms  # type: ignore[import-untyped]

from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import DataError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp", ".tif", ".tiff"})

FULLY_DECODED = 20_000
"""Up to so many images are decoded in full (about 1 ms each and core); of more, only headers and
JPEG end markers are read, which still finds files that are empty, cut short or no image."""

_JPEG_END = b"\xff\xd9"


_HIDDEN = (".", "@eaDir", "__MACOSX", "#recycle", "$RECYCLE", "lost+found")
"""How names begin that file managers, notebooks and network drives add to a folder of images."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Channel means and deviations of ImageNet, which torchvision's weights expect."""

Transform = Callable[[Any], Tensor]
"""From a PIL image to a tensor (3, size, size), normalised."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name was made by a tool, not the user."""
    return name.startswith(_HIDDEN)


def image_files(folder: Path) -> Iterator[Path]:
    """The images in a folder and its folders, links followed, each folder once.

    Raises DataError naming a link that leads nowhere.
    """
    seen = {os.path.realpath(folder)}
    for place, folders, files in os.walk(folder, followlinks=True):
        # Two links to one folder would double its images, and a link upwards would never end.
        ahead = {os.path.realpath(os.path.join(place, name)): name for name in sorted(folders)}
        folders[:] = [
            name for real, name in ahead.items() if real not in seen and not is_hidden(name)
        ]
        seen |= ahead.keys()
        for name in files:
            file = Path(place, name)
            if is_hidden(name) or file.suffix.lower() not in EXTENSIONS:
                continue
            if not file.exists():
                raise DataError(f"unreadable image {file}: a link to nothing")
            yield file


def open_image(path: Path) -> Image.Image:
    """Decode one image as RGB, of 16 bits the upper 8.

    Raises DataError naming the file when it cannot be decoded, or when its numbers have no known
    range (floats).
    """
    try:
        with Image.open(path) as image:
            return _in_8_bits(image).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"unreadable image {path}: {error}") from error


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Pillow clips values above 255, so an image of 16 bits would be white."""
    if image.mode == "F":
        raise ValueError("its pixels are floats: save it with 8 or 16 bits")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    pixels = np.asarray(image)
    if pixels.min(initial=0) < 0 or pixels.max(initial=0) > 0xFFFF:
        raise ValueError("its pixels have more than 16 bits: save it with 8 or 16")
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def check_images(paths: Iterable[Path]) -> None:
    """Raise DataError naming the first file, in order, that is not a readable image.

    Of several ranks one a host looks, and the others wait for it.
    """
    with current().host_first() as first:
        if first:
            _check(iter(paths))


def _check(remaining: Iterator[Path]) -> None:
    with ThreadPoolExecutor(max_workers=min(16, (os.cpu_count() or 1) * 2)) as pool:
        for check, part in (
            (open_image, list(islice(remaining, FULLY_DECODED))),
            (_check_ends, remaining),
        ):
            for piece in _pieces(iter(part), 256):
                # map yields in order and re-raises: the first bad file is the one named.
                for _ in pool.map(check, piece):
                    pass


def _pieces(items: Iterator[Path], size: int) -> Iterator[list[Path]]:
    while piece := list(islice(items, size)):
        yield piece


def _check_ends(path: Path) -> None:
    try:
        with Image.open(path) as image:
            kind = image.format
        if kind == "JPEG":
            with path.open("rb") as file:
                file.seek(-min(64, path.stat().st_size), os.SEEK_END)
                if _JPEG_END not in file.read():
                    raise DataError(f"unreadable image {path}: cut short, no end marker")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"unreadable image {path}: {error}") from error


def evaluation_transform(size: int) -> Transform:
    """Shorter side to size x 256/224, centre crop, normalise (torchvision's reference recipe)."""
    composed: Transform = transforms.Compose(
        [
            transforms.Resize(round(size * 256 / 224)),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return composed


def training_transform(size: int) -> Transform:
    """Random crop of 8 to 100 % of the area, mirrored half of the time, normalised."""
    composed: Transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return composed
