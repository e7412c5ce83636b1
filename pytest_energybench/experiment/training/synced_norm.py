"""Batch normalisation over the images of all ranks.

With its own statistics each rank would normalise over a part of the batch, and the result would
depend on how many ranks there are: statistics of 16 images are another regularisation than those
of 32. torch's SyncBatchNorm takes them over all ranks, on GPUs only; here is the same for CPUs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


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


def convert(model: nn.Module) -> None:
    """Let all batch normalisation of `model` be that over all ranks; in place."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm):
            module.kind = type(module)  # type: ignore[assignment]
            if all(parameter.is_cuda for parameter in module.parameters()):
                module.process_group = None  # type: ignore[assignment]
                module.__class__ = nn.SyncBatchNorm
            else:
                module.__class__ = SyncedBatchNorm


def revert(model: nn.Module) -> None:
    """Undo `convert`."""
    for module in model.modules():
        if isinstance(module, SyncedBatchNorm | nn.SyncBatchNorm) and "kind" in vars(module):
            module.__class__ = module.__dict__.pop("kind")
            module.__dict__.pop("process_group", None)
