"""The real `pynvml` binding on a real NVIDIA GPU: run with `pytest -m gpu`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.nvml import driver_is_loaded, find_gpus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not driver_is_loaded(), reason="needs an NVIDIA GPU and its driver"),
]


@pytest.fixture(scope="module")
def meter() -> Meter:
    return discover("nvml")


@pytest.fixture
def busy() -> Iterator[None]:
    """Matrix products on the first GPU, in flight when the body begins."""
    torch = pytest.importorskip("torch", reason="needs torch to load the GPU")
    matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    for _ in range(200):
        matrix @ matrix
    yield
    torch.cuda.synchronize()


def test_every_visible_gpu_is_a_domain_that_is_measured(meter: Meter) -> None:
    assert [domain.name for domain in meter.domains] == [
        f"gpu:{index}" for index in range(len(find_gpus().gpus))
    ]
    assert set(meter.provenance.values()) <= {"measured", "integrated"}


def test_an_idle_window_has_the_joules_of_a_plausible_power(meter: Meter) -> None:
    with meter.measure("idle") as window:
        time.sleep(3.0)
    assert not window.errors
    for joules in window.energy_j.values():
        assert 2.0 <= joules / window.duration_s <= 1500.0


def test_work_in_flight_is_waited_for_and_costs_more_than_idling(
    meter: Meter, request: pytest.FixtureRequest
) -> None:
    import torch

    with meter.measure("idle") as idle:
        time.sleep(3.0)
    request.getfixturevalue("busy")
    with meter.measure("busy") as busy:
        matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            for _ in range(20):
                matrix @ matrix
            torch.cuda.synchronize()
    assert busy.energy_j["gpu:0"] / busy.duration_s > 1.5 * idle.energy_j["gpu:0"] / idle.duration_s


def test_the_counter_and_the_integrated_power_agree(meter: Meter) -> None:
    """The cross-check that is run on every window flags a difference of more than 10 %."""
    with meter.measure() as window:
        time.sleep(5.0)
    assert not [flag for flag in window.flags if "power" in flag and "counter" in flag]
