"""Which of the ways in `cpu_kernels` is the quickest for a shape: all are timed on tensors of it.

All cases of a process share what was found.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import torch
from torch import Tensor

from pytest_energybench.experiment.training.cpu_kernels import (
    BY_INPUT,
    BY_WEIGHT,
    FORWARD,
    OWN,
    Call,
    Way,
)

WORTH_IT: Final = 0.85
"""Another way is taken if it needs at most this share of the time of torch's own: what noise
decides should stay as it is."""

TRIES: Final = 3
"""Runs of each way, of which the quickest counts; the first one before them does not."""

HOPELESS: Final = 2.0
"""A way that takes so many times as long as the quickest one before it is given up after `PATIENCE`
seconds. Short runs are always repeated: other work on the machine makes one of them look slow."""

PATIENCE: Final = 0.05


class Ways(NamedTuple):
    """The chosen way of each direction, by name."""

    forward: str = OWN
    by_input: str = OWN
    by_weight: str = OWN


@dataclass(slots=True)
class Timed:
    """What the layers of one model were computed with, filled while `timing` is open; `attention`
    by the type that it takes."""

    layers: dict[int, tuple[Call, Ways]] = field(default_factory=dict)
    attention: dict[int, torch.dtype] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        """For the report: for each direction, how many layers take which way."""
        directions = zip(*(self._named(*each) for each in self.layers.values()), strict=True)
        found = dict(zip(Ways._fields, directions, strict=False))
        if self.attention:
            found["attention"] = tuple(map(_name, self.attention.values()))
        return {
            f"kernels_{direction}": ", ".join(
                f"{name}: {count}" for name, count in sorted(Counter(names).items())
            )
            for direction, names in found.items()
        }

    @staticmethod
    def _named(call: Call, ways: Ways) -> tuple[str, ...]:
        """The ways by their number type where they are torch's own."""
        return tuple(_name(call.dtype) if way == OWN else way for way in ways)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


_known: dict[Call, Ways] = {}
"""Found once per process: all cases of a run train with the same kernels."""

_timed: Timed | None = None


@contextmanager
def timing() -> Iterator[Timed]:
    """Within, a layer's call of a shape that is not known yet is timed; outside, such a call runs
    torch's own kernels. Not for a metered window."""
    global _timed
    before, _timed = _timed, Timed()
    try:
        yield _timed
    finally:
        _timed = before


def being_timed() -> Timed | None:
    """What `timing` fills, where it is open."""
    return _timed


def ways(call: Call, layer: object) -> Ways:
    """The quickest way of each direction of `call`, which `layer` is about to make."""
    if _timed is None:
        return _known.get(call, Ways())
    if call not in _known:
        _known[call] = quickest(call)
    if call.trains:
        _timed.layers[id(layer)] = call, _known[call]
    return _known[call]


Seconds = Callable[[Callable[[], object], float], float]
"""Measures a way, given the least seconds of those before it."""


def quickest(call: Call, seconds: Seconds | None = None) -> Ways:
    """Time all ways that serve `call` on random tensors; `seconds` measures one of them."""
    measure = seconds or least_seconds
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        images, weight, gradient = (
            _random(shape, call.dtype) for shape in (call.images, call.weight, call.result)
        )
        forward = _quickest(FORWARD, call, images, weight, measure)
        if not call.trains:
            return Ways(forward)
        return Ways(
            forward,
            _quickest(BY_INPUT, call, gradient, weight, measure),
            _quickest(BY_WEIGHT, call, gradient, images, measure),
        )


def _quickest(
    table: Mapping[str, Way], call: Call, first: Tensor, second: Tensor, seconds: Seconds
) -> str:
    candidates = {name: way.run for name, way in table.items() if way.suits(call)}
    if len(candidates) == 1:
        return OWN
    times: dict[str, float] = {}
    for name, run in candidates.items():
        least = min(times.values(), default=math.inf)
        times[name] = seconds(partial(run, call, first, second), least)
    best = min(times, key=lambda name: times[name])
    return best if times[best] <= WORTH_IT * times[OWN] else OWN


def least_seconds(run: Callable[[], object], least: float) -> float:
    """The seconds of the quickest run; fewer runs where they can't become as few as `least`."""
    run()
    times: list[float] = []
    while len(times) < TRIES:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
        if min(times) > HOPELESS * least and sum(times) > PATIENCE:
            break
    return min(times)


def _random(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    tensor = torch.randn(shape).to(dtype)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
