"""Which way of a layer's call is chosen, and when."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.training import kernel_choice
from pytest_energybench.experiment.training.cpu_kernels import FLOAT32, OWN, PRODUCT, TOEPLITZ, Call
from pytest_energybench.experiment.training.kernel_choice import Seconds, Ways, quickest

CONVOLUTION = Call((5, 16, 7, 7), (8, 16, 3, 3), torch.float64, (1, 1), (1, 1))


def taking(*seconds: float) -> Seconds:
    """A clock by which one way after the other takes so long; each has to run."""
    left = list(seconds)

    def measure(run: Callable[[], object], _: float) -> float:
        run()
        return left.pop(0)

    return measure


def test_the_quickest_way_of_each_direction_is_taken() -> None:
    depthwise = Call((2, 4, 4, 4), (4, 1, 3, 3), torch.bfloat16, (1, 1), (1, 1), 4)
    chosen = quickest(depthwise, taking(5, 1, 3, 5, 6, 2, 9, 8, 1))
    assert chosen == Ways(FLOAT32, TOEPLITZ, TOEPLITZ)


def test_of_a_call_without_gradients_the_result_alone_is_timed() -> None:
    depthwise = Call((2, 4, 4, 4), (4, 1, 3, 3), torch.float32, (1, 1), (1, 1), 4, trains=False)
    assert quickest(depthwise, taking(5, 1)) == Ways(TOEPLITZ)


def test_torch_s_own_stays_unless_another_way_is_clearly_quicker() -> None:
    depthwise = Call((2, 4, 4, 4), (4, 1, 3, 3), torch.float32, (1, 1), (1, 1), 4)
    assert quickest(depthwise, taking(1.0, 0.9, 1.0, 0.8, 1.0, 1.0)) == Ways(OWN, TOEPLITZ, OWN)


@pytest.mark.parametrize(
    ("takes", "least", "runs"),
    [
        (0.06, math.inf, 4),  # the first way is never given up
        (0.06, 0.04, 4),
        (0.06, 0.02, 2),
        (0.03, 0.01, 3),
        (0.01, 0.001, 4),
    ],
)
def test_a_slow_way_is_given_up_and_a_short_run_repeated(
    takes: float, least: float, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def run() -> None:
        now.append(now[-1] + takes)

    monkeypatch.setattr(kernel_choice.time, "perf_counter", lambda: now[-1])
    assert kernel_choice.least_seconds(run, least) == pytest.approx(takes)
    assert len(now) - 1 == runs


def test_a_shape_is_timed_once_and_only_while_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Call] = []

    def chosen(call: Call) -> Ways:
        asked.append(call)
        return Ways(by_weight=PRODUCT)

    monkeypatch.setattr(kernel_choice, "quickest", chosen)
    monkeypatch.setattr(kernel_choice, "_known", {})
    layer = nn.Linear(1, 1)
    assert kernel_choice.ways(CONVOLUTION, layer) == Ways()
    with kernel_choice.timing() as timed:
        kernel_choice.ways(CONVOLUTION, layer)
        kernel_choice.ways(CONVOLUTION, layer)
    assert kernel_choice.ways(CONVOLUTION, layer) == Ways(by_weight=PRODUCT)
    assert asked == [CONVOLUTION]
    assert timed.facts() == {
        "kernels_forward": "float64: 1",
        "kernels_by_input": "float64: 1",
        "kernels_by_weight": "matrix product: 1",
    }


def test_a_model_without_timed_layers_has_no_facts() -> None:
    with kernel_choice.timing() as timed:
        pass
    assert timed.facts() == {}


def test_timing_leaves_torch_s_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    quickest(Call((2, 4), (3, 4), torch.float32))
    assert torch.equal(torch.rand(1), expected)
