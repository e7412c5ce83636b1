"""Finding bad image files before anything is trained on them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from PIL import Image

from pytest_energybench.training.errors import DataError
from pytest_energybench.training.ranks import current

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp", ".tif", ".tiff"})

FULLY_DECODED = 20_000
"""Up to so many images are decoded in full (about 1 ms each and core); of more, only headers and
JPEG end markers are read, which still finds files that are empty, cut short or no image."""

_JPEG_END = b"\xff\xd9"


def open_image(path: Path) -> Image.Image:
    """Decode one image as RGB; raises DataError naming the file when it cannot be."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"unreadable image {path}: {error}") from error


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
