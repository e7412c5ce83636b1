"""From what a user types (`mnist`, `imagefolder:PATH`, ...) to a data set."""

from __future__ import annotations

import torch

from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.settings import EMBEDDED, parse_source


def load_data(
    spec: str, image_size: int, device: torch.device, workers: int = 0, subset: int | None = None
) -> Data:
    """The data set `spec` at `image_size` pixels, checked and ready to train on; of the folders in
    `FOLDERS` only `subset` images of each class.

    Raises SettingError for an unknown kind, DataError for data that cannot be used.
    """
    kind, path = parse_source(spec)
    # Each source is imported at its use: named ones need scikit-learn, folders Pillow alone.
    if kind == "imagefolder":
        from pytest_energybench.experiment.training.datasets.imagefolder import image_folder

        return image_folder(path, image_size, device, workers, subset)
    from pytest_energybench.experiment.training.datasets import named_sets

    if kind in EMBEDDED:
        return (named_sets.mnist if kind == "mnist" else named_sets.digits)(image_size, device)
    if kind == "cifar10":
        return named_sets.cifar10(path, image_size, device, workers)
    return named_sets.imagenet(path, image_size, device, workers, subset)
