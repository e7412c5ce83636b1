"""A user's model as a training starts with it: a copy in float32 on its device, which can be
trained, and is the same in all cases of a seed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pytest_energybench.experiment.compression.plan import CompressionPlan
from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.training.datasets.data import Splits, TensorSplit
from pytest_energybench.experiment.training.errors import SettingError, first_line
from pytest_energybench.experiment.training.evaluate import answering, entering, running_type
from pytest_energybench.experiment.training.hardware import place

Given = Callable[..., nn.Module | CompressionPlan]
"""The pretrained model, or a function that gives it, maybe from a `seed`."""

CORNER = 4
"""Of each dimension of a weight so many numbers are compared, to see if two starts are one."""

NEAR = 0.01
"""Of the largest of these numbers: a head that was fitted twice on a GPU differs by less, weights
that were drawn or trained anew by more."""


class Starts:
    """The starts of one experiment.

    Raises SettingError for a model that can't be trained, or that is another one each time.
    """

    def __init__(self, given: Given, device: torch.device) -> None:
        self._given = given
        self._device = device
        self._seen: dict[int, Mapping[str, Tensor]] = {}

    def of(self, seed: int) -> CompressionPlan:
        """The plan of this seed, with a model of its own."""
        made = self._made(seed)
        plan = made if isinstance(made, CompressionPlan) else CompressionPlan(made)
        check_trains(plan.model)
        # A function may give one object each time, and training changes it in place.
        model = copy.deepcopy(plan.model)
        types = {str(each.dtype).removeprefix("torch.") for each in model.parameters()}
        others = sorted(types & {"bfloat16", "float16", "float64"})
        notes = [f"the model came in {each} and was trained from float32" for each in others]
        place(model.float(), self._device)
        self._check_same(seed, model)
        return replace(plan, model=model).noted(*notes)

    def _made(self, seed: int) -> nn.Module | CompressionPlan:
        if isinstance(self._given, nn.Module):
            return self._given
        takes_seed = "seed" in inspect.signature(self._given).parameters
        return self._given(seed=seed) if takes_seed else self._given()

    def _check_same(self, seed: int, model: nn.Module) -> None:
        """All methods of a seed begin with the same weights, or nothing can be compared."""
        corners = {
            name: value.detach()[(slice(CORNER),) * value.dim()].clone()
            for name, value in chain(model.named_parameters(), model.named_buffers())
        }
        before = self._seen.setdefault(seed, corners)
        for name, corner in corners.items():
            if name not in before or not _near(corner, before[name]):
                raise SettingError(
                    f"the model has another {name} than it had before: give the same weights each"
                    " time, from a file or with torch.manual_seed before any are drawn"
                )


def _near(corner: Tensor, other: Tensor) -> bool:
    if corner.shape != other.shape or torch.equal(corner, other):
        return corner.shape == other.shape
    if not corner.is_floating_point():
        return False
    return not bool((corner - other).abs().max() > NEAR * other.abs().max())


def check_trains(model: object) -> None:
    """Raise SettingError for what is no model, or none that optimizers and methods can take."""
    if not isinstance(model, nn.Module):
        raise SettingError(f"model gives a {type(model).__name__}: a torch.nn.Module is meant")
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise SettingError(f"{name} has no size yet: let the model see a batch first")
        if parameter.is_complex() and parameter.requires_grad:
            raise SettingError(
                f"{name} is complex, and what is trained here is real: hold it as two real numbers"
                " (torch.view_as_real), and put them together in the forward pass"
            )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SettingError(f"{type(model).__name__} has no parameter that requires a gradient")
    compressed_weights(model)


def check_fits(model: nn.Module, data: Splits, batch_size: int) -> None:
    """Raise SettingError unless `model` gives logits for the classes of `data`, as far as they are
    held ready; of images that are loaded a batch is looked at."""
    images, labels = next(data.validation.ordered(batch_size))
    model.eval()
    try:
        with torch.no_grad():
            logits = answering(model(entering(images, running_type(model))), labels)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        kind = " with channels last" if images.dim() == 4 else ""
        raise SettingError(
            f"the model does not run on a batch of {tuple(images.shape)}{kind}: {first_line(error)}"
        ) from error
    splits = (data.train, data.validation, data.test)
    held = [split.highest for split in splits if isinstance(split, TensorSplit)]
    most, classes = max([int(labels.max()), *held]), logits.shape[-1]
    if most >= classes:
        raise SettingError(
            f"there is a class {most}, and the model gives {classes} logits, for the classes 0 to"
            f" {classes - 1}"
        )
