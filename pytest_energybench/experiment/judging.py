"""The energy assertion of a method's case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_energybench.experiment.rules import rule, saves_by_type_alone

if TYPE_CHECKING:
    from pytest_energybench.session.fixture import Energy


def assert_saves_energy(energy: Energy, method: str, lacks: str | None = None) -> None:
    """Energy is below the baseline's; nothing is compared in the baseline's own case, nor with a
    method that is a control.

    Where the paper itself finds no saving, missing it reproduces a negative finding and must not
    turn the suite red: it ends as xfail with the paper's section. So does what a device can't save
    for want of a narrow number type, with what it `lacks` as the reason, unless the method removes
    structure, too. Where there are no two figures to compare, nothing was missed, and it fails. A
    saving simply passes.
    """
    __tracebackhide__ = True
    if rule(method).reported_only:
        return
    reason = rule(method).paper or (lacks if lacks and saves_by_type_alone(method) else None)
    before = len(energy.case().comparisons)
    try:
        energy.assert_below_baseline(margin=0.0)
    except AssertionError as missed:
        compared = energy.case().comparisons[before:]
        if reason is None or all(each.estimate is None for each in compared):
            raise
        pytest.xfail(f"{reason}\n{missed}")
