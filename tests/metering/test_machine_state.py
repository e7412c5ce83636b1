"""What changes under a run: on made trees of sysfs files, and NVML at its boundary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from pytest_energybench.base.flags import BUSY, spoils
from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.machine_state import MachineWatch
from pytest_energybench.metering.nvml import find_gpus
from tests.metering.conftest import FakeNvml

CPU = "sys/devices/system/cpu"
GOVERNOR = f"{CPU}/cpufreq/policy0/scaling_governor"
TURBO = f"{CPU}/intel_pstate/no_turbo"
BATTERY = "sys/class/power_supply/BAT0"
HEAT = f"{CPU}/cpu0/thermal_throttle"

Put = Callable[[str, object], None]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a file of the made tree."""

    def write(file: str, text: object) -> None:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"{text}\n")

    return write


def test_a_machine_that_tells_nothing_has_no_flags(tmp_path: Path) -> None:
    watch = MachineWatch(root=tmp_path)
    assert watch.begin_round().flags() == []
    assert watch.facts() == {}


@pytest.mark.parametrize(
    ("file", "before", "after", "flag"),
    [
        (GOVERNOR, "powersave", "performance", "cpu governor powersave → performance"),
        (TURBO, 0, 1, "cpu turbo on → off"),
        (f"{BATTERY}/status", "Charging", "Discharging", "power source mains → battery"),
    ],
)
def test_a_change_within_the_run_spoils_every_round_from_then_on(
    tmp_path: Path, put: Put, file: str, before: object, after: object, flag: str
) -> None:
    put(f"{BATTERY}/type", "Battery")
    put(file, before)
    watch = MachineWatch(root=tmp_path)
    first = watch.begin_round()
    assert first.flags() == []
    put(file, after)
    for flags in (first.flags(), watch.begin_round().flags()):
        assert flags == [f"machine changed: {flag} since the run began"]
        assert spoils(flags[0]) == BUSY
    put(file, before)
    assert watch.begin_round().flags() == []


def test_a_processor_that_slows_down_for_heat(tmp_path: Path, put: Put) -> None:
    clock = FakeClock()
    put(f"{HEAT}/core_throttle_count", 3)
    counted = MachineWatch(root=tmp_path, clock=clock)
    one = counted.begin_round()
    assert one.flags() == []
    put(f"{HEAT}/core_throttle_count", 4)
    (flag,) = one.flags()
    assert flag == "cpu: throttled by heat, as the kernel counted"
    assert spoils(flag) == BUSY
    assert counted.begin_round().flags() == []

    put(f"{HEAT}/package_throttle_total_time_ms", 5_000)
    timed = MachineWatch(root=tmp_path, clock=clock)
    two = timed.begin_round()
    clock.advance(100.0)
    put(f"{HEAT}/core_throttle_count", 5)
    put(f"{HEAT}/package_throttle_total_time_ms", 5_900)
    assert two.flags() == []  # less than a hundredth of the round
    put(f"{HEAT}/package_throttle_total_time_ms", 7_500)
    assert two.flags() == ["cpu: throttled by heat for 2.5 s"]


def test_a_gpu_that_slows_down_or_gets_another_limit(
    tmp_path: Path, fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = fake_nvml.add(celsius=54, mhz=1980, reasons=0x4, heat_ns=7_000_000_000)
    fake_nvml.add(celsius=None, mhz=None, reasons=None, heat_ns=None, limit_mw=None)
    for name, fact in (
        ("nvmlDeviceGetTemperature", "celsius"),
        ("nvmlDeviceGetClockInfo", "mhz"),
        ("nvmlDeviceGetCurrentClocksThrottleReasons", "reasons"),
    ):
        read = fake_nvml.get(fact)
        monkeypatch.setattr(pynvml, name, lambda gpu, *_, read=read: read(gpu))
    heat = fake_nvml.get("heat_ns")
    monkeypatch.setattr(
        pynvml,
        "nvmlDeviceGetViolationStatus",
        lambda gpu, policy: SimpleNamespace(violationTime=heat(gpu)) if policy == 1 else None,
    )
    clock = FakeClock()
    watch = MachineWatch(find_gpus().gpus, root=tmp_path, clock=clock)
    assert watch.facts() == {
        "gpu_power_limit_w": "300, ?",
        "gpu_temperature_c": "54, ?",
        "gpu_clock_mhz": "1980, ?",
    }
    one = watch.begin_round()
    clock.advance(10.0)
    assert one.flags() == []  # at its power limit, as at any full load
    gpu |= {"celsius": 91, "mhz": 1110, "heat_ns": 8_500_000_000, "reasons": 0x44}
    (flag,) = one.flags()
    assert flag == "gpu:0: throttled by heat for 1.5 s (at its end 91 °C, 1110 MHz)"
    assert spoils(flag) == BUSY
    gpu |= {"reasons": 0x80}
    assert watch.begin_round().flags() == [
        "gpu:0: throttled: external power brake (at its end 91 °C, 1110 MHz)"
    ]
    gpu |= {"reasons": 0, "limit_mw": 250_000}
    assert watch.begin_round().flags() == [
        "machine changed: gpu:0 power limit 300 W → 250 W since the run began"
    ]
    gpu["gone"] = True  # its meter tells that; nothing here is known of it
    assert watch.begin_round().flags() == []


def test_the_meter_of_a_machine_watches_it_and_windows_of_their_own_cost_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meter = discover("estimate")
    assert meter.watch is not None
    monkeypatch.setattr(MachineWatch, "look", lambda _: pytest.fail("looked within a window"))
    with meter.measure():
        pass
