"""The rules a training follows, and the presets that size them to the machine.

Source: paper Section 3.1 for optimizer and early stopping. Batch size, input size, epoch cap and
seed are not published; they are this project's, and the same for every method of a model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pytest_energybench.experiment.training.errors import SettingError

DATA_WITH_PATH: Final = ("imagefolder", "cifar10", "imagenet")
FOLDERS: Final = ("imagefolder", "imagenet")
"""Kinds of data of which a subset may be asked for."""

EMBEDDED: Final = ("mnist", "digits")
TEXTS: Final = ("topics", "text:PATH")
"""Of language models: what comes with Python, or the text files below a folder."""

DATA_FORMS: Final = (*EMBEDDED, *(f"{kind}:PATH" for kind in DATA_WITH_PATH), *TEXTS)


COUNTED: Final = (
    "patience",
    "max_epochs",
    "batch_size",
    "images_per_epoch",
    "evaluation_batch",
    "fixed_epochs",
)
"""Rules that are numbers of something, at least one of it where they are set."""

OPTIMIZERS: Final = ("sgd", "adamw")
"""The paper's, and the one that language models are trained with."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How a model is trained. The defaults are the paper's where the paper gives one.

    `min_delta` is absolute, in units of the validation loss (nats); `patience` in epochs.
    `images_per_epoch` images are drawn anew from the training split each epoch, in as many passes
    as that takes; None means one pass. With `fixed_epochs` it trains so many, no more and no fewer:
    no rule stops it, and no method trains a second time. `optimizer` is one of `OPTIMIZERS`, the
    same for the baseline and every method.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    patience: int = 3
    min_delta: float = 0.05
    max_epochs: int = 30
    batch_size: int = 32
    images_per_epoch: int | None = None
    evaluation_batch: int = 60
    seed: int = 0
    fixed_epochs: int | None = None

    def __post_init__(self) -> None:
        """Raise SettingError for an optimizer that there isn't, or a number that trains nothing."""
        for name in COUNTED:
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise SettingError(f"{name}={value}: a whole number from 1 is meant")
        if not self.learning_rate > 0:
            raise SettingError(f"learning_rate={self.learning_rate}: a number above 0 is meant")
        if self.optimizer not in OPTIMIZERS:
            raise SettingError(
                f"unknown optimizer {self.optimizer!r}: choose one of {', '.join(OPTIMIZERS)}"
            )


@dataclass(frozen=True, slots=True)
class Size:
    """How large the steps of one model are: the side of its square input in pixels, images a step,
    and steps an epoch, None for one pass over the data."""

    image: int
    batch: int
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """A size of the whole experiment, the same for every method of a model.

    `size` is that of all models but those in `sizes`. `min_delta` as in `TrainSettings`. `weights`
    is the kind of starting weights used unless the user says otherwise, `data` likewise; None means
    the user must name it. `whole_curves`: searches evaluate levels that fail on all images, too.
    """

    name: str
    size: Size
    sizes: Mapping[str, Size]
    evaluation_batch: int
    max_epochs: int
    workers: int
    data: str | None
    weights: str
    min_delta: float = 0.05
    whole_curves: bool = False

    def size_of(self, model: str) -> Size:
        """The size this model trains at."""
        return self.sizes.get(model, self.size)

    def train_settings(self, model: str, seed: int) -> TrainSettings:
        """The rules at this preset's size; the paper's but for `min_delta`."""
        size = self.size_of(model)
        return TrainSettings(
            min_delta=self.min_delta,
            max_epochs=self.max_epochs,
            batch_size=size.batch,
            images_per_epoch=None if size.steps is None else size.steps * size.batch,
            evaluation_batch=self.evaluation_batch,
            seed=seed,
        )


# The two nets without normalisation train in batches of 128, as they were published with
# (Krizhevsky et al. 2012, Section 5: 128; Simonyan and Zisserman 2015, Section 3.1: 256).
_STANDARD: Final = Preset(
    name="standard",
    size=Size(224, 64),
    sizes=MappingProxyType(
        {"inception_v3": Size(299, 64), "alexnet": Size(224, 128), "vgg16": Size(224, 128)}
    ),
    evaluation_batch=128,
    max_epochs=50,
    workers=4,
    data="mnist",
    weights="warm",
)

# 75 px is the least that InceptionV3 accepts, 63 px AlexNet. The two largest models take 32 px,
# which is four times less work than 64; the others would be bound by overhead there. Batches of 128
# keep trainings steady that differ in rounding alone, and `min_delta` is above most of the noise of
# the validation loss: see docs/design-notes.md.
_QUICK: Final = replace(
    _STANDARD,
    name="quick",
    size=Size(64, 128, 6),
    sizes=MappingProxyType(
        {
            "alexnet": Size(64, 128, 10),
            "resnet18": Size(48, 128, 4),
            "resnet34": Size(48, 128, 8),
            "inception_v3": Size(75, 128, 6),
            "vgg16": Size(32, 128, 3),
            "convnext_base": Size(32, 128, 3),
        }
    ),
    evaluation_batch=100,
    max_epochs=30,
    workers=0,
    min_delta=0.1,
)

_PAPER: Final = replace(
    _STANDARD,
    name="paper",
    max_epochs=100,
    workers=8,
    data=None,
    weights="imagenet",
    whole_curves=True,
)

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {preset.name: preset for preset in (_QUICK, _STANDARD, _PAPER)}
)


def preset(name: str) -> Preset:
    """The preset of this name.

    Raises SettingError naming the presets there are.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise SettingError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}") from None


def parse_source(spec: str) -> tuple[str, str]:
    """Split what names a data set, `kind:path`; the path is empty for an embedded one.

    Raises SettingError naming the allowed forms.
    """
    kind, _, path = spec.partition(":")
    if spec in EMBEDDED or (kind in DATA_WITH_PATH and path):
        return kind, path
    raise SettingError(f"unknown data {spec!r}: choose one of {', '.join(DATA_FORMS)}")


def is_text(spec: str) -> bool:
    """Whether `spec` names text, which language models train on, and no images."""
    kind, _, path = spec.partition(":")
    return spec == "topics" or (kind == "text" and bool(path))


def check_weights(spec: str) -> None:
    """Raise SettingError unless `spec` is `warm`, `imagenet` or a folder that exists."""
    if spec not in ("warm", "imagenet") and not Path(spec).expanduser().is_dir():
        raise SettingError(
            f"unknown weights {spec!r}: choose warm, imagenet, or a folder with <model>.pt files"
        )


class EarlyStopping:
    """Stop after `patience` epochs in a row whose loss is not `min_delta` below the best so far.

    `min_delta` is absolute, in nats; if `relative`, a share of the best so far. "The best so far"
    is the loss of the last epoch that counted as an improvement (as in Keras), so many small steps
    down do not add up to one.
    """

    def __init__(self, patience: int, min_delta: float, *, relative: bool = False) -> None:
        self._patience = patience
        self._min_delta = min_delta
        self._relative = relative
        self._reference = math.inf
        self._waited = 0

    def update(self, loss: float) -> bool:
        """Take the validation loss of an epoch; True when training ends with it."""
        step = self._min_delta
        if self._relative and math.isfinite(self._reference):
            step *= self._reference
        if loss < self._reference - step:
            self._reference = loss
            self._waited = 0
        else:
            self._waited += 1
        return self._waited >= self._patience
