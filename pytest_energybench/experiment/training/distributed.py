"""One training over several processes (ranks), each with its part of every batch.

torch's DistributedDataParallel adds up the gradients, over gloo on CPUs and NCCL on GPUs. The batch
that the settings name is that of all ranks together, normalisation and loss are taken over all of
it, and figures that decide something are those of all images, the same on every rank. So the
result is that of one process, up to the rounding of sums.

With its own statistics each rank would normalise over a part of the batch, and the result would
depend on how many ranks there are: statistics of 16 images are another regularisation than those of
32. torch's SyncBatchNorm takes them over all ranks, on GPUs only; here is the same for CPUs.

As torch has one default group of processes, there is one `current()` here, of one rank unless
somebody called `enter`.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from pytest_energybench.experiment.training.datasets.data import WHOLE, Share
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.rank_coordinator import RankCoordinator

TIMEOUT_VARIABLE = "ENERGYBENCH_RANK_TIMEOUT"
TIMEOUT_S = 20.0
"""How long a rank waits for another one inside a collective. Less than the 30 s that torchrun
leaves between asking ranks to end and killing them, so that the first can still tell what was."""


class Ranks:
    """One process that trains alone; `ManyRanks` is for several.

    Attributes:
        share: the part of every batch that is this rank's.
    """

    share: Share = WHOLE

    def seed(self, seed: int) -> int:
        """The seed of what is random per rank, such as dropout."""
        return seed

    def weight(self, images: int, batch: int) -> float:  # noqa: ARG002 - for many
        """What the mean loss of `images`, this rank's of a `batch`, is to be multiplied with, so
        that the mean over ranks is the mean over images."""
        return 1.0

    def check_batch(self, batch: int) -> None:
        """Raise SettingError unless there is an image for each rank in a batch of that many."""

    def summed(self, *figures: Tensor | float) -> list[float]:
        """Each figure summed over all ranks, to the last bit the same everywhere."""
        return [float(figure) for figure in figures]

    def equalise(self, tensors: Iterable[Tensor]) -> None:
        """Copy the first rank's values to all ranks, in place."""

    def parallel(self, model: nn.Module) -> AbstractContextManager[nn.Module]:
        """Within, what it gives is to be trained in place of `model`: same weights, everybody's
        gradients."""
        return nullcontext(model)

    def host_first(self) -> AbstractContextManager[bool]:
        """One rank of each host does this before the others do, and each by itself; gives whether
        this is the one."""
        return nullcontext(True)


class ManyRanks(Ranks):
    """This process among those of `roll`."""

    def __init__(self, roll: RankCoordinator, device: torch.device) -> None:
        """Sets the environment's CUDA device where the training is on GPUs.

        Args:
            device: the one that this rank trains on.
        """
        self.roll = roll
        self.share = Share(roll.rank, roll.world)
        self._device = device
        self._generation = -1

    def seed(self, seed: int) -> int:
        return seed + 1_000_003 * self.share.rank

    def weight(self, images: int, batch: int) -> float:
        return images * self.share.world / batch

    def check_batch(self, batch: int) -> None:
        if batch < self.share.world:
            raise SettingError(
                f"a batch of {batch} images can't be divided among {self.share.world} ranks:"
                " start fewer, the batch is that of all ranks together"
            )

    def summed(self, *figures: Tensor | float) -> list[float]:
        self._meet()
        both = torch.tensor([float(figure) for figure in figures], dtype=torch.float64)
        both = both.to(self._device)
        dist.all_reduce(both)
        dist.broadcast(both, 0)  # what decides something must not hang on how a sum is made
        return [float(figure) for figure in both.tolist()]

    def equalise(self, tensors: Iterable[Tensor]) -> None:
        self._wait()
        with torch.no_grad():
            for tensor in tensors:
                sent = tensor.detach().to(self._device).contiguous()
                dist.broadcast(sent, 0)
                tensor.copy_(sent)

    @contextmanager
    def parallel(self, model: nn.Module) -> Iterator[nn.Module]:
        self._wait()
        sync_norms(model)
        try:
            yield DistributedDataParallel(model)
        finally:
            release_norms(model)

    @contextmanager
    def host_first(self) -> Iterator[bool]:
        first = self.roll.meters
        if not first:
            self.roll.gather(None)
        with entered(Ranks()):
            yield first
        if first:
            self.roll.gather(None)

    def _wait(self) -> None:
        """Wait for all ranks without a time limit, which collectives have."""
        self.roll.gather(None)
        self._meet()

    def _meet(self) -> None:
        """Have a process group: the first time, and anew after every failure."""
        if self._generation == self.roll.generation:
            return
        if dist.is_initialized():
            dist.destroy_process_group()
        self._generation = self.roll.generation
        cuda = self._device.type == "cuda"
        if cuda:
            torch.cuda.set_device(self._device)
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            store=self.roll.store,
            rank=self.share.rank,
            world_size=self.share.world,
            timeout=datetime.timedelta(seconds=float(os.environ.get(TIMEOUT_VARIABLE, TIMEOUT_S))),
        )


def own_device(device: torch.device) -> torch.device:
    """The device of this rank, of what was chosen for all: a GPU each, by torchrun's LOCAL_RANK.

    Raises SettingError where a host has fewer GPUs than ranks, or one GPU was chosen by number.
    """
    if device.type != "cuda":
        return device
    own, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if device.index is not None:
        raise SettingError(f"{device} is one GPU, and each rank needs its own: give cuda")
    if own >= there:
        raise SettingError(f"no GPU for local rank {own}: torch sees {there}; start fewer ranks")
    return torch.device("cuda", own)


_current = Ranks()


def current() -> Ranks:
    """The ranks that this process trains with."""
    return _current


def enter(ranks: Ranks) -> None:
    """Train with these ranks from now on."""
    global _current
    _current = ranks


@contextmanager
def entered(ranks: Ranks) -> Iterator[None]:
    """Train with these within."""
    before = _current
    enter(ranks)
    try:
        yield
    finally:
        enter(before)


class SyncedBatchNorm(_BatchNorm):
    """A batch normalisation that is trained on several ranks, on CPUs."""

    kind: type[nn.Module]

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions, the channels in the second."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        result, mean, variance, count = _Normalised.apply(input, self.weight, self.bias, self.eps)
        if self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            share = self.momentum
            if share is None:
                share = 1.0 / float(self.num_batches_tracked)
            with torch.no_grad():
                self.running_mean.lerp_(mean, share)
                self.running_var.lerp_(variance * (count / (count - 1)), share)
        normalised: Tensor = result
        return normalised


class _Normalised(torch.autograd.Function):
    """The normalised input, and the mean, biased variance and number of values of each channel."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = images.float()
        axes = [axis for axis in range(images.dim()) if axis != 1]
        own = wide.new_tensor(images.numel() // images.shape[1])
        variance, mean = torch.var_mean(wide, axes, correction=0)
        # One row for each rank, the others' zero: their sum is everybody's rows, unchanged.
        rows = wide.new_zeros(dist.get_world_size(), 2 * len(mean) + 1)
        rows[dist.get_rank()] = torch.cat([mean, variance * own, own.view(1)])
        dist.all_reduce(rows)
        means, squares, counts = torch.split(rows, [len(mean), len(mean), 1], dim=1)
        # Chan, Golub and LeVeque (1979): sums of squares of parts put together.
        count = counts.sum()
        mean = (means * counts).sum(0) / count
        variance = (squares + counts * (means - mean).square()).sum(0) / count
        ctx.save_for_backward(images, weight, mean, (variance + eps).rsqrt(), count)
        ctx.mark_non_differentiable(mean, variance, count)
        result = functional.batch_norm(images, mean, variance, weight, bias, False, 0.0, eps)
        return result, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        images, weight, mean, scale, count = ctx.saved_tensors
        axes = [axis for axis in range(images.dim()) if axis != 1]
        shape = [1, -1] + [1] * (images.dim() - 2)
        wide = gradient.float()
        standard = (images.float() - mean.view(shape)) * scale.view(shape)
        by_bias, by_weight = wide.sum(axes), (wide * standard).sum(axes)
        sums = torch.stack([by_bias, by_weight]) / count
        dist.all_reduce(sums)
        factor = scale if weight is None else scale * weight
        by_images = factor.view(shape) * (
            wide - sums[0].view(shape) - standard * sums[1].view(shape)
        )
        if weight is None:
            by_weight = by_bias = None  # type: ignore[assignment]
        return by_images.to(images.dtype), by_weight, by_bias, None


def sync_norms(model: nn.Module) -> None:
    """Let all batch normalisation of `model` be that over all ranks; in place."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm):
            module.kind = type(module)  # type: ignore[assignment]
            if all(parameter.is_cuda for parameter in module.parameters()):
                module.process_group = None  # type: ignore[assignment]
                module.__class__ = nn.SyncBatchNorm
            else:
                module.__class__ = SyncedBatchNorm


def release_norms(model: nn.Module) -> None:
    """Undo `sync_norms`."""
    for module in model.modules():
        if isinstance(module, SyncedBatchNorm | nn.SyncBatchNorm) and "kind" in vars(module):
            module.__class__ = module.__dict__.pop("kind")
            module.__dict__.pop("process_group", None)
