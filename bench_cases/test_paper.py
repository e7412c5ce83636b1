"""The paper's experiment: every model with every method, trained under one set of rules.

A method's case holds when it loses at most one point of accuracy against its baseline, and takes
less energy. Warm start, data and search stand outside the metered training.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bench_cases.judging import assert_saves_energy
from bench_cases.methods import BASELINE
from bench_cases.records import Measured, reached_by_baseline, record

if TYPE_CHECKING:
    from bench_cases.laboratory import Laboratory
    from pytest_energybench.fixture import Energy


def test_paper(
    model: str,
    method: str,
    energy: Energy,
    laboratory: Laboratory,
    terminal: Callable[[], AbstractContextManager[None]],
) -> None:
    with energy.heavy_work():
        plan = laboratory.start(model)
    if method != BASELINE:
        with energy.measure("search", counted=False):
            plan = laboratory.compress(plan, model, method, *reached_by_baseline(energy))
    with energy.heavy_work():
        prepared = laboratory.prepare(plan, model, method)

    with terminal(), energy.measure("train") as window:
        training = prepared.train(laboratory.data(model), window.joules_so_far)

    with energy.heavy_work():
        record(energy, Measured.of(laboratory, prepared.plan, training, model))
    energy.assert_accuracy_within_baseline(max_drop=laboratory.options.max_drop)
    assert_saves_energy(energy, method, prepared.plan.lacks)
