"""The paper's own search for ranks: each layer alone, the smallest rank that passes.

By bisection, or by the paper's scan where that is asked for, rank after rank from the dense layer
down. While one layer is probed nothing before it changes, so what enters its block is kept and the
blocks before are not run again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.evaluation import Examination, score_changed
from pytest_energybench.experiment.compression.factorized import Layer, Spectrum
from pytest_energybench.experiment.compression.plan import Task
from pytest_energybench.experiment.compression.search import Probe, Search, search
from pytest_energybench.experiment.training.evaluate import Score
from pytest_energybench.experiment.training.progress import Part


def search_each_layer(
    model: nn.Module, layers: Mapping[str, Layer], spectra: Mapping[str, Spectrum], task: Task
) -> tuple[dict[str, int], Search]:
    """The smallest rank of every layer that passes while all others are dense, and the searches.

    They come as one: its curve has, after the reference at 0, one point per layer in the order they
    run, `found` is the sum of the ranks.
    """
    began = time.monotonic()
    examine = Examination(task)
    dense = examine(model)
    ranks: dict[str, int] = {}
    curve = [Probe.of(0, dense)]
    evaluations, images, reference = 1, dense.total, 1
    prefix = Prefix(model, next(task.data.validation.ordered(2))[0])
    for number, (path, layer) in enumerate(layers.items(), start=1):
        most = spectra[path].most
        if most == 0:
            continue
        with prefix.before(path, examine, dense) as passes:
            evaluations += len(passes)
            images += sum(each.total for each in passes)
            probe = partial(_probe, prefix, examine, path, layer, spectra[path], task, dense)
            found = search(
                "rank",
                most,
                probe,
                task.tolerance,
                strategy=task.strategy,
                whole=task.whole,
                progress=Part(task.progress, f"layer {number} of {len(layers)}"),
            )
        if found.found:
            ranks[path] = most + 1 - found.found
        at = next(each for each in found.curve if each.level == found.found)
        curve.append(replace(at, level=number))
        evaluations += found.evaluations - 1  # The dense model is evaluated once for all.
        images += found.images - dense.total
        reference += most + 1 - found.found
    return ranks, Search(
        parameter="ranks, layer by layer",
        found=sum(ranks.values()),
        curve=tuple(curve),
        evaluations=evaluations,
        images=images,
        seconds=time.monotonic() - began,
        reference_evaluations=reference,
    )


def _probe(
    prefix: Prefix,
    examine: Examination,
    path: str,
    layer: Layer,
    spectrum: Spectrum,
    task: Task,
    dense: Score,
    level: int,
    most_wrong: int | None,
) -> Score:
    """The score with one layer at the rank of `level`: 0 is dense, the last level is rank 1."""
    if level == 0:
        return dense
    rank = spectrum.most + 1 - level
    prefix.rewind()
    return score_changed(
        prefix.model,
        {path: layer.weight},
        lambda *_: spectrum.weight(rank),
        task,
        examine,
        most_wrong,
    )


FAILURES = (RuntimeError, TypeError, ValueError, IndexError, AttributeError)
"""How a model fails that is no chain of blocks, where some of them are skipped."""


class Prefix:
    """Keeps what enters a block of a model, for models that are a chain of blocks.

    A block that others skip to, or that gives no tensor, is found by a pass that begins with it:
    then the whole model is run for the layers in it.
    """

    def __init__(self, model: nn.Module, examples: Tensor) -> None:
        """`examples` (batch, 3, size, size) are run once, to see which blocks run."""
        self.model = model
        self._blocks = dict(_running(model, examples))
        self._names = tuple(self._blocks)
        self._entered = 0
        self._not_entered = {0}
        self._kept: list[Tensor] = []
        self._next = 0

    def rewind(self) -> None:
        """The next evaluation begins; the one before may have been broken off."""
        self._next = 0

    @contextmanager
    def before(self, path: str, examine: Examination, dense: Score) -> Iterator[list[Score]]:
        """Within, evaluations on validation begin with the block that holds the layer at `path`.

        Gives the scores of the passes that this took: where the block is another one than before,
        that of the model while what enters the block is kept, and that of the model so begun. Both
        must be `dense`, that of the whole, or nothing is skipped. `examine` has seen the model
        before, so that it asks the images in one order; each evaluation begins with `rewind`.
        """
        within = (i for i, name in enumerate(self._names) if f"{path}.".startswith(f"{name}."))
        at = next(within, 0)
        passes: list[Score] = []
        if at != self._entered and at not in self._not_entered:
            passes = self._enter(at, examine, dense)
        if at in self._not_entered:
            yield passes
            return
        with self._skipping(at):
            yield passes

    def _enter(self, at: int, examine: Examination, dense: Score) -> list[Score]:
        """Keep what enters the block of that number, if the model can begin with it."""
        passes = [self._keep(self._names[at - 1], examine)]
        self._entered = at
        if self._kept:
            with suppress(*FAILURES), self._skipping(at):
                passes.append(examine(self.model))
        if len(passes) < 2 or not all(_same(each, dense) for each in passes):
            self._not_entered.add(at)
            self._kept = []
        return passes

    @contextmanager
    def _skipping(self, at: int) -> Iterator[None]:
        """Within, the block before that of this number gives what was kept, none before runs."""

        def kept(*_: object, **__: object) -> Tensor:
            self._next += 1
            return self._kept[self._next - 1]

        self.rewind()
        skipped = [self._blocks[name] for name in self._names[:at]]
        try:
            for block in skipped[:-1]:
                block.forward = _pass_on
            skipped[-1].forward = kept
            yield
        finally:
            for block in skipped:
                del block.forward

    def _keep(self, name: str, examine: Examination) -> Score:
        """The score of the model, while what this block gives is kept."""
        self._kept = []

        def keep(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                self._kept.append(output.clone())  # the next module may work in place

        handle = self._blocks[name].register_forward_hook(keep)
        try:
            return examine(self.model)
        finally:
            handle.remove()


def _pass_on(images: Tensor, *_: object, **__: object) -> Tensor:
    """A skipped block: its result reaches nothing."""
    return images


def _same(one: Score, other: Score) -> bool:
    """Whether two runs of one model agree; a GPU may add up the losses in another order."""
    return one.correct == other.correct and math.isclose(one.loss, other.loss, rel_tol=1e-4)


def _running(model: nn.Module, examples: Tensor) -> Iterator[tuple[str, nn.Module]]:
    """The blocks of a model that run in evaluation: InceptionV3's auxiliary head doesn't."""
    ran: set[nn.Module] = set()
    blocks = list(_chain(model))
    handles = [
        block.register_forward_hook(lambda module, *_: ran.add(module)) for _, block in blocks
    ]
    try:
        with torch.no_grad():
            model.eval()(examples)
    finally:
        for handle in handles:
            handle.remove()
    return ((name, block) for name, block in blocks if block in ran)


def _chain(model: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The blocks of a model, one after the other: its children, sequences taken apart."""
    for name, child in model.named_children():
        full = f"{path}.{name}" if path else name
        if type(child) is nn.Sequential:
            yield from _chain(child, full)
        else:
            yield full, child
