"""Watts of a busy CPU: told, tabled, or a documented default."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_energybench.metering.cpu_estimate import DEFAULT_WATTS, core_power, cpu_model
from pytest_energybench.metering.errors import MeterError


def test_the_variable_comes_first() -> None:
    power = core_power({"ENERGYBENCH_CPU_TDP_W": "64"}, model="AMD EPYC 7763", cores=16)
    assert power.watts == 4.0
    assert "ENERGYBENCH_CPU_TDP_W" in power.note


@pytest.mark.parametrize("told", ["", "lots", "0", "-3", "nan", "inf", "1e9"])
def test_a_variable_that_is_no_power_is_refused(told: str) -> None:
    with pytest.raises(MeterError, match="give watts"):
        core_power({"ENERGYBENCH_CPU_TDP_W": told})


def test_a_known_processor_has_its_data_sheet() -> None:
    power = core_power({}, model="AMD EPYC 7763 64-Core Processor", cores=2)
    assert power.watts == pytest.approx(280 / 128)  # a slice of it on a virtual machine as well
    assert "EPYC 7763" in power.note


def test_an_unknown_processor_has_the_default_with_a_wide_error() -> None:
    power = core_power({}, model="Some CPU", cores=2)
    assert power.watts == DEFAULT_WATTS
    assert power.error > core_power({}, model="AMD EPYC 7763", cores=2).error
    assert "default" in power.note


def test_the_name_is_read_from_the_system(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC 7763\n")
    assert cpu_model(cpuinfo) == "AMD EPYC 7763"
    cpuinfo.write_text("processor\t: 0\nBogoMIPS\t: 50.0\n\nModel\t\t: Raspberry Pi 5\n")
    assert cpu_model(cpuinfo) == "Raspberry Pi 5"
    cpuinfo.write_text("processor\t: 0\n")
    assert cpu_model(cpuinfo) == ""
