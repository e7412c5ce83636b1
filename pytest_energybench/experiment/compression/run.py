"""From a plan to a trained model: the same trainer and rules for the baseline and every method."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import torch
from torch import nn

from pytest_energybench.experiment.compression.bits import (
    FITS_BFLOAT16,
    nearest_into,
    number_format,
    truncate_into,
)
from pytest_energybench.experiment.compression.plan import (
    BitGrid,
    CompressionPlan,
    ResultError,
    Retrain,
)
from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.training import kernel_choice
from pytest_energybench.experiment.training.datasets.data import Splits
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import SettingError, first_line
from pytest_energybench.experiment.training.evaluate import entering, running_type
from pytest_energybench.experiment.training.hardware import generator
from pytest_energybench.experiment.training.master_weights import Grid, LossScaler, MasterWeights
from pytest_energybench.experiment.training.optimizers import (
    Masked,
    PlainUpdater,
    ScaledUpdater,
    Updater,
    autocasting,
    optimizer_of,
)
from pytest_energybench.experiment.training.progress import SILENT, Joules, Part, Progress
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.experiment.training.trainer import (
    Enough,
    Epoch,
    Training,
    by_the_rules_alone,
    in_training,
    step,
    train,
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model bound to its updater, in the type it trains in: all but the training itself."""

    plan: CompressionPlan
    updater: Updater
    settings: TrainSettings
    device: torch.device
    label: str

    def train(
        self, data: Splits, joules: Joules | None = None, progress: Progress = SILENT
    ) -> Training:
        """Train `plan.model` in place; this is what belongs into the metered window.

        Where `plan.adjust` finds that the trained model lost too much and changes it, it trains
        again: what is returned is all of it, one training after the other, so that epochs, seconds
        and joules of each count (paper, Section 3.4). Raises DivergedError when the loss or a
        weight is no number any more.
        """
        began = time.monotonic()
        training = self._train_once(data, joules, progress)
        done = 0
        while (further := self._adjusted(training, done)) is not None:
            done += 1
            elapsed = time.monotonic() - began
            again = prepare(self.plan, self.settings, self.device, f"{self.label} ({done + 1})")
            best = None if further.changed else training.best
            second = again._train_once(
                data, joules, Part(progress, f"training {done + 1}"), further.enough, best
            )
            training = _joined(training, second, elapsed)
        return training

    def _adjusted(self, training: Training, done: int) -> Retrain | None:
        adjust = self.plan.adjust
        if adjust is None or self.settings.fixed_epochs is not None:
            return None
        return adjust(self.plan.model, training.best.validation, done)

    def _train_once(
        self,
        data: Splits,
        joules: Joules | None,
        progress: Progress,
        enough: Enough = by_the_rules_alone,
        best: Epoch | None = None,
    ) -> Training:
        training = train(
            self.plan.model,
            data,
            self.updater,
            self.settings,
            self.device,
            label=self.label,
            joules=joules,
            progress=progress,
            enough=enough,
            best=best,
        )
        updater = self.updater.inner if isinstance(self.updater, Masked) else self.updater
        if isinstance(updater, MasterWeights):
            updater.release()
        return training


def prepare(
    plan: CompressionPlan, settings: TrainSettings, device: torch.device, label: str
) -> Prepared:
    """Put `plan.model` into the type that its bits fit, with the updater for it.

    Several ranks begin with the weights and masks that the first one has.
    """
    current().equalise([*plan.model.state_dict().values(), *plan.masks.values()])
    plan, updater = _bound(plan, settings, device)
    if plan.masks:
        updater = Masked(updater, plan.model, plan.masks)
    return Prepared(plan, updater, settings, device, label)


def _bound(
    plan: CompressionPlan, settings: TrainSettings, device: torch.device
) -> tuple[CompressionPlan, Updater]:
    """The updater for the type that the bits of `plan.model` fit, and the plan saying so."""
    if plan.autocast:
        return _autocasting(plan, settings, device)
    if plan.grid is None and not plan.mixed_precision:
        return plan, PlainUpdater(plan.model, settings)
    bits = 0 if plan.grid is None else plan.grid.zeroed
    chosen = number_format(max(bits, FITS_BFLOAT16) if plan.mixed_precision else bits, device)
    plan = plan.noted(
        *([chosen.note] if chosen.note else []), number_type=str(chosen.dtype).split(".")[-1]
    )
    if chosen.lacking:
        plan = replace(plan, lacks=chosen.note)
    if plan.grid is None and chosen.dtype == torch.float32:
        return plan, PlainUpdater(plan.model, settings)
    updater = MasterWeights(
        plan.model,
        chosen.dtype,
        optimizer_of(settings),
        grid=None if plan.grid is None else _grid(plan.grid),
        on_grid=compressed_weights(plan.model).keys(),
        keep_masters=plan.grid is None or plan.grid.masters,
        scaler=LossScaler() if chosen.scaled else None,
    )
    return plan, updater


def _autocasting(
    plan: CompressionPlan, settings: TrainSettings, device: torch.device
) -> tuple[CompressionPlan, Updater]:
    """As `_bound`, for a model that computes in torch's own mixed precision."""
    chosen = number_format(FITS_BFLOAT16, device)
    if chosen.lacking:
        plan = replace(plan.noted(chosen.note or ""), lacks=chosen.note)
        return plan, PlainUpdater(plan.model, settings)
    autocasting(plan.model, chosen.dtype)
    narrow = str(chosen.dtype).split(".")[-1]
    plan = plan.noted(
        f"torch.autocast to {narrow}, with torch's own layers", number_type=f"float32, {narrow}"
    )
    return plan, (ScaledUpdater if chosen.scaled else PlainUpdater)(plan.model, settings)


def _joined(first: Training, second: Training, elapsed: float) -> Training:
    """Two trainings of one model as one; the second began `elapsed` seconds after the first.

    Joules need no such care: both count them from where the window was opened.
    """
    epochs = tuple(
        replace(epoch, number=epoch.number + first.epochs, seconds=epoch.seconds + elapsed)
        for epoch in second.history
    )
    return Training(
        history=(*first.history, *epochs),
        best=first.best if second.best is first.best else epochs[second.best.number - 1],
        capped=first.capped or second.capped,
        images=first.images + second.images,
        trainings=first.trainings + second.trainings,
        optimizer_bytes=second.optimizer_bytes,
    )


def warm_up(
    plan: CompressionPlan, data: Splits, settings: TrainSettings, device: torch.device
) -> dict[str, str]:
    """Train a batch and evaluate one on a copy of `plan.model`, and drop it.

    So that kernels are chosen and built before a metered window. Changes nothing else. Returns what
    was chosen, for the report. Raises SettingError where the model can't compute in the type that
    it would train in.
    """
    copied = replace(plan, model=copy.deepcopy(plan.model))
    prepared = prepare(copied, settings, device, "warm-up")
    model = copied.model
    for parameter in model.parameters():
        if (
            parameter.requires_grad and parameter.grad is None
        ):  # layers that add to a gradient do so from the second step on
            parameter.grad = torch.zeros_like(parameter)
    dtype = running_type(model)
    ranks = current()
    order = generator(settings.seed)
    narrow = prepared.plan.facts.get("number_type", "float32")
    with (
        _computing_in(str(narrow)),
        kernel_choice.timing() as timed,
        in_training(model, settings.seed, device) as running,
    ):
        model.train()
        for images, labels in data.train.shuffled(
            settings.batch_size, order, settings.batch_size, ranks.share
        ):
            step(running, prepared.updater, entering(images, dtype), labels)
        model.eval()
        with torch.inference_mode():
            evaluated = data.validation.ordered(settings.evaluation_batch, ranks.share)
            for images, _ in islice(evaluated, 1):
                model(entering(images, dtype))
    return timed.facts()


@contextmanager
def _computing_in(number_type: str) -> Iterator[None]:
    """A narrow type that the model does not go through with is told in a line."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if number_type == "float32":
            raise
        raise SettingError(
            f"the model can't train in {number_type}: {first_line(error)}; let what meets its"
            " inputs take their type, e.g. self.positions.to(inputs.dtype), or leave the method out"
        ) from error


def _grid(grid: BitGrid) -> Grid | None:
    if grid.zeroed == 0:
        return None
    return partial(nearest_into if grid.rounding == "nearest" else truncate_into, grid.zeroed)


def reloaded(model: nn.Module) -> tuple[nn.Module, int]:
    """Save `model` and load it into another one, which is returned with the bytes of the file.

    Loaded with `weights_only=True`; what is scored then is what is stored, nothing else. Raises
    ResultError when a tensor came back with other values, type or shape.
    """
    stored = io.BytesIO()
    torch.save(model.state_dict(), stored)
    file_bytes = stored.tell()
    stored.seek(0)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.zero_()
    other.load_state_dict(torch.load(stored, weights_only=True))
    came_back = other.state_dict()
    for name, tensor in model.state_dict().items():
        if tensor.dtype != came_back[name].dtype or not torch.equal(tensor, came_back[name]):
            raise ResultError(f"{name} is not what it was after saving and loading the model")
    return other, file_bytes
