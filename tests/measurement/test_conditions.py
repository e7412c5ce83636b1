"""What a run is made under is among its settings, so that unlike runs are not compared."""

from __future__ import annotations

import cProfile
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_energybench.measurement.conditions import conditions, tracers

OBSERVED = "import sys; from pytest_energybench.measurement.conditions import conditions; "


def put(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text + "\n")


def asked(code: str, *flags: str) -> str:
    command = [sys.executable, *flags, "-c", OBSERVED + code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_machine_that_tells_nothing_adds_nothing(tmp_path: Path) -> None:
    assert conditions(tmp_path).keys() <= {"tracer", "optimize", "dev_mode"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave"}, "powersave"),
        (
            {
                "devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave",
                "devices/system/cpu/cpufreq/policy1/scaling_governor": "performance",
            },
            "performance, powersave",
        ),
    ],
)
def test_the_governors_of_all_cores(tmp_path: Path, files: dict[str, str], found: str) -> None:
    for file, text in files.items():
        put(tmp_path, f"sys/{file}", text)
    assert conditions(tmp_path)["cpu_governor"] == found


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("intel_pstate/no_turbo", "1", "off"),
        ("intel_pstate/no_turbo", "0", "on"),
        ("cpufreq/boost", "1", "on"),
        ("cpufreq/boost", "0", "off"),
    ],
)
def test_whether_the_processor_may_clock_up(
    tmp_path: Path, file: str, text: str, found: str
) -> None:
    put(tmp_path, f"sys/devices/system/cpu/{file}", text)
    assert conditions(tmp_path)["cpu_turbo"] == found


@pytest.mark.parametrize(
    ("status", "found"), [("Discharging", "battery"), ("Charging", "mains"), ("Full", "mains")]
)
def test_where_the_power_comes_from(tmp_path: Path, status: str, found: str) -> None:
    for name, kind in (("AC", "Mains"), ("BAT0", "Battery"), ("mouse", "Battery")):
        put(tmp_path, f"sys/class/power_supply/{name}/type", kind)
    put(tmp_path, "sys/class/power_supply/BAT0/status", status)
    put(tmp_path, "sys/class/power_supply/mouse/status", "Discharging")
    put(tmp_path, "sys/class/power_supply/mouse/scope", "Device")
    assert conditions(tmp_path)["power_source"] == found


def test_a_profiler_and_a_debugger_are_tracers() -> None:
    profile = cProfile.Profile()
    profile.enable()
    try:
        assert "cProfile" in tracers()
    finally:
        profile.disable()
    assert "cProfile" not in tracers()
    told = asked("import tracemalloc; tracemalloc.start(); print(conditions()['tracer'])")
    assert told.strip() == "tracemalloc"
    debugger = "f = lambda *_: None; f.__module__ = 'pydevd.trace'; sys.settrace(f); "
    assert asked(f"{debugger}print(conditions()['tracer'])").strip() == "pydevd"


def test_a_hook_for_the_threads_is_a_tracer_too() -> None:
    told = asked("import threading; threading.setprofile(cb := lambda *_: 0); print(conditions())")
    assert "'tracer': 'main'" in told


def test_asserts_that_are_left_out_are_told() -> None:
    assert asked("print(conditions().get('optimize'))", "-O").strip() == "1"
    assert asked("print(conditions().get('optimize'))").strip() == "None"
