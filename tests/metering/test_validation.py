"""Estimate beside counter, on a machine whose packages draw what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.metering.cpu_estimate import CpuEstimate
from pytest_energybench.metering.cpu_power import CpuPower, cpu_power
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.fake import FakeClock, FakeSource
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.validation import Validation, render, to_json, validate
from tests.metering.conftest import Seconds, Tree

POWER = CpuPower((10.0, 20.0, 40.0, 50.0), 10, 10, 10, 0.5, "a test")


def seen(watts: Callable[[int], float]) -> Validation:
    """A machine of ten threads whose two packages together draw these watts by busy threads."""
    clock, cpu = FakeClock(), Seconds()
    state = {"busy": 0, "joules": 0.0}

    @contextmanager
    def busy(threads: int) -> Iterator[None]:
        state["busy"] = threads
        yield

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        cpu.tree += state["busy"] * seconds
        state["joules"] += watts(int(state["busy"])) * seconds

    counters = [CounterSource(lambda: state["joules"] / 2, f"cpu:{n}") for n in (0, 1)]
    return validate(
        5.0,
        counters=Meter(counters, clock=clock),
        estimate=CpuEstimate(POWER, cpu=cpu, cores=10, clock=clock),
        cores=10,
        busy=busy,
        clock=clock,
        sleep=sleep,
    )


def test_a_machine_that_draws_what_the_model_says() -> None:
    found = seen(lambda threads: POWER.package_w(threads))
    assert [point.threads for point in found.points] == [0, 1, 2, 4, 5, 8, 10]
    assert found.median_error == pytest.approx(0.0)
    assert (found.held, len(found.loads), found.exit_status) == (6, 6, 0)
    assert found.curve == pytest.approx(POWER.watts)
    told = render(found)
    assert told.splitlines()[0].split() == (
        ["busy", "threads", "counter", "estimate", "off", "by", "within", "±50%"]
    )
    assert "The stated error held at 6 of 6 loads; median error 0%." in told
    environ = {"ENERGYBENCH_CPU_WATTS": told.rpartition("ENERGYBENCH_CPU_WATTS=")[2]}
    assert cpu_power(environ=environ, visible=10, ours=10).watts == POWER.watts


def test_a_machine_that_draws_three_times_as_much_breaks_the_stated_error() -> None:
    found = seen(lambda threads: 3 * POWER.package_w(threads))
    assert (found.held, found.exit_status) == (0, 1)
    assert found.median_error == pytest.approx(2 / 3)
    data = json.loads(to_json(found))
    assert data["exit_status"] == 1
    assert data["points"][1] == {
        "threads": 1,
        "counter_w": pytest.approx(60.0),
        "estimate_w": pytest.approx(20.0),
        "holds": False,
        "flags": [],
    }


def test_a_curve_that_falls_is_told_as_one_that_does_not() -> None:
    found = seen(lambda threads: 40.0 if threads == 5 else 30.0 if threads > 5 else 10.0 + threads)
    assert list(found.curve) == sorted(found.curve)


def test_without_a_counter_there_is_nothing_to_validate_against(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tree.root.is_dir()
    for command in (["validate"], ["doctor", "--validate"]):
        assert main(command) == 4
        assert "nothing can be metered with 'rapl'" in capsys.readouterr().err
    clock = FakeClock()
    with pytest.raises(MeterError, match="no counter of the processor"):
        validate(counters=Meter([FakeSource({"dram:0": 1.0}, clock)], clock=clock))
    assert main(["validate", "--seconds=0"]) == 4
