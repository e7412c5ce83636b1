"""The processor's curve: what is told, tabled or of its class, and whose part is whose."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.metering.cpu_identity import CpuIdentity
from pytest_energybench.metering.cpu_power import TDP_ERROR, CpuPower, cpu_power
from pytest_energybench.metering.cpu_rows import CLASS_ERROR, HOST_ERROR, ROWS
from pytest_energybench.metering.errors import MeterError

EPYC = CpuIdentity("AMD EPYC 8024P 8-Core Processor", "siena", package_threads=16)
E3 = CpuIdentity(
    "Intel(R) Xeon(R) CPU E3-1240 V2 @ 3.40GHz", "ivy-bridge-client", package_threads=8
)
THREADRIPPER = CpuIdentity("Threadripper 1950X", "threadripper", package_threads=32)
E5 = CpuIdentity("Intel(R) Xeon(R) CPU E5-2620 v3 @ 2.40GHz", "haswell", package_threads=12)
RUNNER = CpuIdentity("AMD EPYC 7763 64-Core Processor", "milan", virtual=True)


CURVES = [
    (EPYC, [(0, 18), (1.6, 34), (8, 48), (16, 46)]),
    (E5, [(0, 16), (2.4, 33), (12, 64), (24, 101)]),
    (THREADRIPPER, [(0, 44), (3.2, 63), (16, 153), (32, 166)]),
    (E3, [(0, 5.6), (1, 14), (4, 33), (8, 50)]),
]
"""Busy threads and watts that RAPL showed, the mean of loads that were spread over all threads and
of loads thread by thread."""


def power(identity: CpuIdentity, threads: int, **more: float) -> CpuPower:
    return cpu_power(identity, environ={}, visible=threads, ours=more.get("ours", threads))


@pytest.mark.parametrize(("identity", "seen"), CURVES)
def test_counters_of_known_machines_lie_within_the_stated_error(
    identity: CpuIdentity, seen: list[tuple[float, float]]
) -> None:
    model = power(identity, int(seen[-1][0]))
    for busy, watts in seen:
        estimate = model.idle_w + model.work_w(busy)
        assert abs(watts - estimate) <= model.error * estimate


@pytest.mark.parametrize(("identity", "seen"), CURVES)
def test_counters_of_known_machines_agree_that_all_threads_at_once_cost_less(
    identity: CpuIdentity, seen: list[tuple[float, float]]
) -> None:
    model = power(identity, int(seen[-1][0]))
    few, all_ = seen[1], seen[-1]
    assert few[1] / few[0] > all_[1] / all_[0]
    one_by_one, at_once = ((model.idle_w + model.work_w(n)) / n for n in (few[0], all_[0]))
    assert one_by_one > at_once


def test_a_runner_of_four_threads_is_a_part_of_its_host() -> None:
    model = power(RUNNER, 4)
    assert model.threads == 128
    assert model.error == HOST_ERROR
    assert model.idle_w == pytest.approx(model.watts[0] * 4 / 128)
    whole = model.package_w(62 + 4) - model.watts[0]
    assert model.work_w(4) == pytest.approx(whole * 4 / 66)
    assert "4 of some 128 threads of a host" in model.note


def test_a_container_that_shows_only_its_own_threads_is_a_part_of_its_host() -> None:
    model = power(CpuIdentity(RUNNER.name, "milan", package_threads=128), 4)
    assert (model.threads, model.visible, model.error) == (128, 4, HOST_ERROR)
    assert model.idle_w == pytest.approx(model.watts[0] * 4 / 128)


def test_a_design_power_is_that_of_the_whole_host() -> None:
    """Four threads of an EPYC 7763 don't draw its 280 W."""
    model = cpu_power(RUNNER, environ={"ENERGYBENCH_CPU_TDP_W": "280"}, visible=4, ours=4)
    assert (model.threads, model.visible, model.error) == (128, 4, CLASS_ERROR)
    assert model.idle_w + model.work_w(4) < 280 / 16
    assert "4 of some 128 threads of a host" in model.note


def test_a_host_as_large_as_the_machine_has_no_neighbours() -> None:
    model = power(RUNNER, 256)
    assert model.threads == 256
    assert model.error == ROWS["milan"].error
    assert model.work_w(256) == pytest.approx(model.watts[3] - model.watts[0])


def test_a_quota_makes_the_idle_share_smaller_and_the_work_no_cheaper() -> None:
    whole, part = power(EPYC, 16), power(EPYC, 16, ours=2.0)
    assert part.idle_w == pytest.approx(whole.idle_w / 8)
    assert part.work_w(2) == whole.work_w(2)


def test_stolen_time_never_makes_more_busy_threads_than_there_are() -> None:
    model = power(RUNNER, 4)
    assert model.work_w(2, 1000.0) == model.work_w(2, 2.0)
    assert model.work_w(2, -1.0) == model.work_w(2, 0.0)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("virtual", [False, True])
def test_all_threads_are_cheaper_than_one_for_the_same_work(row: str, virtual: bool) -> None:
    """A second of every thread, one after the other or at once."""
    model = power(CpuIdentity("x", row, virtual=virtual), 8)
    one_by_one = 8 * (model.idle_w + model.work_w(1))
    at_once = model.idle_w + model.work_w(8)
    assert at_once < one_by_one


@given(
    row=st.sampled_from(sorted(ROWS)),
    threads=st.integers(1, 400),
    own=st.floats(0.0, 500.0),
    others=st.floats(0.0, 500.0),
    virtual=st.booleans(),
)
def test_the_parts_of_all_never_exceed_the_whole(
    row: str, threads: int, own: float, others: float, virtual: bool
) -> None:
    model = power(CpuIdentity("x", row, virtual=virtual), threads)
    assert 0.0 <= model.idle_w <= model.watts[0] * (1 + 1e-9)
    work_w = model.work_w(own, others)
    assert 0.0 <= work_w <= (model.watts[3] - model.watts[0]) * (1 + 1e-9)
    if own <= threads - others:
        total_w = work_w + model.work_w(others, own)
        assert total_w <= (model.package_w(threads * 1.0) - model.watts[0]) * (1 + 1e-9) or virtual


@pytest.mark.parametrize("row", ["milan", "skylake-client"])
def test_half_a_chips_threads_draw_more_than_half_of_it_and_idle_nearly_all(row: str) -> None:
    whole = ROWS[row].of_chips(ROWS[row].threads, ROWS[row].threads)
    half = ROWS[row].of_chips(ROWS[row].threads / 2, ROWS[row].threads / 2)
    assert whole == pytest.approx([each * ROWS[row].threads for each in ROWS[row].watts])
    assert 0.8 < half[0] / whole[0] < 1.0
    assert 0.6 < half[3] / whole[3] < 1.0
    assert ROWS[row].of_chips(ROWS[row].threads, ROWS[row].threads / 2) == pytest.approx(
        [2 * each for each in half]
    )


def test_every_row_rises_and_has_its_source() -> None:
    for key, row in ROWS.items():
        assert row.watts[0] > 0
        assert all(low < high for low, high in pairwise(row.watts)), key
        assert row.source
        assert 0.4 <= row.error <= CLASS_ERROR


def test_an_unlisted_processor_has_the_widest_error() -> None:
    model = power(CpuIdentity("Some CPU", "ice-lake", known=False), 4)
    assert model.error == CLASS_ERROR
    assert "set ENERGYBENCH_CPU_TDP_W" in model.note


def test_what_is_told_comes_first() -> None:
    tdp = cpu_power(EPYC, environ={"ENERGYBENCH_CPU_TDP_W": "90"}, visible=16, ours=16)
    assert tdp.watts[3] == pytest.approx(0.7 * 90)
    assert (tdp.threads, tdp.error) == (16, TDP_ERROR)
    assert "TDP_W=90" in tdp.note
    environ = {"ENERGYBENCH_CPU_WATTS": "8,19,43,47", "ENERGYBENCH_CPU_TDP_W": "64"}
    told = cpu_power(RUNNER, environ=environ, visible=16, ours=16)
    assert told.watts == (8, 19, 43, 47)
    assert told.idle_w + told.work_w(8) == pytest.approx(43)


@pytest.mark.parametrize("told", ["", "lots", "0", "-3", "nan", "inf", "1e9"])
def test_a_variable_that_is_no_power_is_refused(told: str) -> None:
    with pytest.raises(MeterError, match="give watts"):
        cpu_power(EPYC, environ={"ENERGYBENCH_CPU_TDP_W": told})


@pytest.mark.parametrize("told", ["", "8", "8,19,43", "8,19,43,x", "0,1,2,3", "8,47,43,19"])
def test_watts_that_are_no_curve_are_refused(told: str) -> None:
    with pytest.raises(MeterError, match="four rising powers"):
        cpu_power(EPYC, environ={"ENERGYBENCH_CPU_WATTS": told})
