"""From what a user types (`digits`, `imagefolder:PATH`, ...) to a data set."""

from __future__ import annotations

import torch

from pytest_energybench.training.data import Data
from pytest_energybench.training.settings import parse_source


def load_data(spec: str, image_size: int, device: torch.device, workers: int = 0) -> Data:
    """The data set `spec` at `image_size` pixels, checked and ready to train on.

    Raises SettingError for an unknown kind, DataError for data that cannot be used.
    """
    kind, path = parse_source(spec)
    # Each source is imported at its use: digits need scikit-learn, the others Pillow.
    if kind == "digits":
        from pytest_energybench.training.digits import digits

        return digits(image_size, device)
    if kind == "imagefolder":
        from pytest_energybench.training.imagefolder import image_folder

        return image_folder(path, image_size, device, workers)
    from pytest_energybench.training import named_sets

    opened = named_sets.cifar10 if kind == "cifar10" else named_sets.imagenet
    return opened(path, image_size, device, workers)
