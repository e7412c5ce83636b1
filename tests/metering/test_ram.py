"""Memory's estimate: what is there times W/GB, no more than the machine has."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from pytest_energybench.metering.cpu_power import CpuPower
from pytest_energybench.metering.cpu_rows import VERSION
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.ram import RamEstimate, installed_bytes, memory_bytes

SERVER = CpuPower((10.0, 40.0, 90.0, 120.0), 32, 32, 32, 0.5, "a test", memory="DDR4")


@pytest.mark.parametrize(("size_gb", "watts"), [(16, 1.28), (256, 20.48), (4000, 30.0)])
def test_watts_go_by_size_and_are_bounded_by_the_processor(size_gb: int, watts: float) -> None:
    clock = FakeClock()
    source = RamEstimate(size_gb * 10**9, power=SERVER, clock=clock)
    meter = Meter([source], clock=clock)
    with meter.measure() as window:
        clock.advance(10.0)
    assert window.energy_j == {"ram": pytest.approx(10 * watts)}
    assert window.provenance == {"ram": "estimated"}
    assert window.error_j["ram"] == pytest.approx(0.7 * window.total_j)
    (domain,) = source.domains
    assert domain.estimate_version == VERSION
    assert domain.idle_w == pytest.approx(watts)
    assert ("bounded by 0.25" in domain.note) == (size_gb == 4000)


def test_the_size_is_the_machine() -> None:
    assert installed_bytes() == pytest.approx(psutil.virtual_memory().total, rel=0.01)


@pytest.mark.parametrize(
    ("content", "charged"), [("4000000000\n", 4 * 10**9), ("max\n", None), ("9" * 19, None)]
)
def test_a_container_is_charged_its_limit(
    tmp_path: Path, content: str, charged: int | None
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(content)
    assert memory_bytes((limit, tmp_path / "missing")) == (charged or installed_bytes())
