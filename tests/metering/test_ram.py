"""Memory's estimate: what is there times W/GB, no more than the machine has."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from pytest_energybench.metering import ram
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.ram import RamEstimate, installed_bytes, memory_bytes


def test_watts_go_by_size() -> None:
    clock = FakeClock()
    meter = Meter([RamEstimate(16 * 10**9, clock=clock)], clock=clock)
    with meter.measure() as window:
        clock.advance(10.0)
    assert window.energy_j == {"ram": pytest.approx(16 * 0.3725 * 10)}
    assert window.provenance == {"ram": "estimated"}
    assert window.error_j["ram"] == pytest.approx(window.total_j / 2)


def test_the_size_is_the_machine() -> None:
    assert installed_bytes() == pytest.approx(psutil.virtual_memory().total, rel=0.01)


@pytest.mark.parametrize(
    ("content", "charged"), [("4000000000\n", 4 * 10**9), ("max\n", None), ("9" * 19, None)]
)
def test_a_container_is_charged_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, charged: int | None
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(content)
    monkeypatch.setattr(ram, "CGROUP_LIMITS", (limit, tmp_path / "missing"))
    assert memory_bytes() == (charged or installed_bytes())
