"""Experimental sources at the boundary to what they read: a binding, a tree of files, a call."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.metering import clock, diagnosis, discovery, powercap
from pytest_energybench.metering.clock import SYSTEM_CLOCK, SystemClock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.discovery import discover, parse_selection
from pytest_energybench.metering.doctor import advice
from pytest_energybench.metering.errors import MeterError, Problem
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Source
from pytest_energybench.metering.sources import Offer, amd, apple, emi, hwmon, jetson, perf
from tests.field.elsewhere import windows


def joules(sources: list[Source]) -> dict[str, float]:
    return {name: value for source in sources for name, value in source.read().joules.items()}


class FakeAmdSmi:
    """`amdsmi` of a machine with one MI210 and one MI250X of two dies, whose second shows nothing;
    AMD SMI lists them in another order than HIP."""

    class AmdSmiException(Exception):  # noqa: N818 - its name
        """As the binding's."""

    def __init__(self) -> None:
        self.devices = [
            {"hip_id": 2, "asic_serial": "0x0", "market_name": "MI210", "count": 4_000_000},
            {"hip_id": 0, "asic_serial": "0xA1", "market_name": "MI250X", "count": 1_000_000},
            {"hip_id": 1, "asic_serial": "0xA1", "market_name": "MI250X", "count": 0},
        ]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return {
            "amdsmi_init": lambda: None,
            "amdsmi_get_processor_handles": lambda: self.devices,
            "amdsmi_get_gpu_asic_info": lambda device: device,
            "amdsmi_get_gpu_enumeration_info": lambda device: device,
            "amdsmi_get_gpu_device_bdf": lambda device: f"0000:0{device['hip_id']}:00.0",
            "amdsmi_get_energy_count": self._count,
        }[name]

    def _count(self, device: dict[str, Any]) -> dict[str, float]:
        if device["count"] is None:
            raise self.AmdSmiException("device is lost")
        return {"energy_accumulator": device["count"], "counter_resolution": 15.3, "timestamp": 1}


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch) -> FakeAmdSmi:
    for names in amd.VARIABLES:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    return FakeAmdSmi()


class TestAmd:
    def test_a_card_of_two_dies_counts_once_and_all_go_by_their_numbers_in_hip(
        self, smi: FakeAmdSmi
    ) -> None:
        sources, problems = amd.find(SYSTEM_CLOCK, smi)
        assert problems == []
        assert joules(sources) == pytest.approx({"gpu:0": 15.3, "gpu:2": 61.2})
        (pair, single) = (source.domains[0] for source in sources)
        assert "card with 2 devices, gpu:0, gpu:1 of them visible" in pair.note
        assert pair.device != single.device

    def test_what_is_hidden_is_not_read_and_a_card_is_where_one_die_is_visible(
        self, smi: FakeAmdSmi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HIP_VISIBLE_DEVICES", "1")
        sources, _ = amd.find(SYSTEM_CLOCK, smi)
        assert joules(sources) == pytest.approx({"gpu:0": 15.3})  # its joules, with the other die's
        assert "card with 2 devices, gpu:0 of them visible" in sources[0].domains[0].note

    @pytest.mark.parametrize(
        ("environ", "left"),
        [
            ({}, [0, 1, 2]),
            ({"ROCR_VISIBLE_DEVICES": "2,0", "HIP_VISIBLE_DEVICES": "1"}, [0]),
            ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, [0]),
            ({"HIP_VISIBLE_DEVICES": "2", "CUDA_VISIBLE_DEVICES": "0"}, [2]),
            ({"HIP_VISIBLE_DEVICES": ""}, []),
        ],
    )
    def test_visible_devices(self, environ: dict[str, str], left: list[int]) -> None:
        assert amd.visible(3, environ) == left

    @pytest.mark.parametrize("value", ["GPU-a1", "3", "0,x"])
    def test_what_is_no_number_of_a_device_is_refused(self, value: str) -> None:
        with pytest.raises(MeterError, match="knows its 3 GPUs by number"):
            amd.visible(3, {"ROCR_VISIBLE_DEVICES": value})

    def test_a_device_that_falls_off_is_lost(self, smi: FakeAmdSmi) -> None:
        sources, _ = amd.find(SYSTEM_CLOCK, smi)
        with Meter(sources).measure() as window:
            smi.devices[0]["count"] = None
            smi.devices[1]["count"] += 2_000_000
        assert window.energy_j == pytest.approx({"gpu:0": 30.6})
        assert "gpu:2: lost" in window.errors[0]


def test_apple_counts_what_the_chip_has() -> None:
    now = SimpleNamespace(cpu_total_mj=5000, gpu_mj=700, gpu_sram_mj=50, dram_mj=None, ane_mj=0)
    monitor = SimpleNamespace(get_cumulative_energy=lambda: now)
    sources, problems = apple.find(SYSTEM_CLOCK, monitor)
    assert problems == []
    assert joules(sources) == pytest.approx({"cpu:0": 5.0, "gpu:0": 0.75, "ane:0": 0.0})
    may_be_zero = {source.domains[0].name: source.domains[0].may_be_zero for source in sources}
    assert may_be_zero == {"cpu:0": False, "gpu:0": True, "ane:0": True}


def sensor(root: Path, number: int, **files: str) -> Path:
    folder = root / f"hwmon{number}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def test_sensors_that_count_energy(tmp_path: Path) -> None:
    sensor(tmp_path, 0, name="coretemp", temp1_input="42000")
    sensor(tmp_path, 1, name="i915", energy1_input="7000000")
    sensor(tmp_path, 2, name="i915_gt0", energy1_input="6000000")  # a part of the card
    labels = {"energy1_label": "card", "energy2_label": "pkg"}
    sensor(tmp_path, 3, name="xe", energy1_input="9000000", energy2_input="5000000", **labels)
    labels = {"energy1_label": "Ecore000", "energy2_label": "Esocket0", "energy3_label": "Esocket1"}
    counts = {"energy1_input": "1", "energy2_input": "3000000", "energy3_input": "x"}
    sensor(tmp_path, 4, name="amd_energy", **labels, **counts)
    sources, problems = hwmon.find(SYSTEM_CLOCK, tmp_path)
    assert joules(sources) == {"gpu:0": 7.0, "gpu:1": 9.0, "cpu:0": 3.0}
    assert [problem.what for problem in problems] == ["cpu:1"]
    assert "cpu:1" in sources[-1].read().lost  # it is there, so it is lost and not left out
    assert [bool(source.domains[0].device) for source in sources] == [True, True, False, False]


class TestJetson:
    def test_the_module_s_supply_is_sampled_and_covers_all_of_it(self, tmp_path: Path) -> None:
        labels = {"in1_label": "VDD_CPU_GPU_CV", "in2_label": "VDD_IN"}
        folder = sensor(tmp_path, 0, name="ina3221", in2_input="5000", curr2_input="2000", **labels)
        (source,), _ = jetson.find(SYSTEM_CLOCK, tmp_path)
        assert source.domains[0].parts == ("cpu", "ram", "gpu")
        clock = iter((0.0, 1.0, 2.0, 2.0))
        source._clock = SimpleNamespace(monotonic=lambda: next(clock))  # type: ignore[attr-defined]
        source.open()
        source.read()
        (folder / "curr2_input").write_text("4000\n")
        assert source.read().joules == {"psys:0": 15.0}  # from 10 W to 20 W in a second
        assert "not looked at" in source.judge(0.0, 1.0)[0]  # type: ignore[attr-defined]
        (folder / "curr2_input").unlink()
        assert "psys:0" in source.read().lost

    def test_a_board_without_such_a_rail_is_told(self, tmp_path: Path) -> None:
        sensor(tmp_path, 0, name="ina3221", in1_label="VDD_GPU_SOC")
        sources, (problem,) = jetson.find(SYSTEM_CLOCK, tmp_path)
        assert sources == []
        assert "no rail of the whole module among VDD_GPU_SOC" in problem


def topology(folder: Path, packages: dict[int, int]) -> Path:
    """CPU -> package, as the kernel tells them."""
    for cpu, package in packages.items():
        told = folder / f"cpus/cpu{cpu}/topology"
        told.mkdir(parents=True)
        (told / "physical_package_id").write_text(f"{package}\n")
    return folder / "cpus"


class TestPerf:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "power"
        (root / "events").mkdir(parents=True)
        (root / "type").write_text("9\n")
        (root / "cpumask").write_text("0,8\n")
        for event, number in ("energy-pkg", 2), ("energy-ram", 3):
            (root / "events" / event).write_text(f"event=0x0{number}\n")
            (root / "events" / f"{event}.scale").write_text("2.3283064365386962890625e-10\n")
        return root

    def test_each_package_and_its_memory(self, root: Path, tmp_path: Path) -> None:
        asked = []

        def opened(attributes: bytes, cpu: int) -> int:
            kind, size, config = struct.unpack_from("IIQ", attributes)
            asked.append((kind, size, len(attributes), config, cpu))
            if cpu == 8 and config == 2:
                raise PermissionError(13, "Permission denied")
            path = tmp_path / f"{config}-{cpu}"
            path.write_bytes(struct.pack("Q", 2**32 * (config + cpu)))
            return os.open(path, os.O_RDONLY)

        sources, problems = perf.find(SYSTEM_CLOCK, root, opened, topology(tmp_path, {0: 0, 8: 1}))
        assert asked == [(9, 64, 64, 2, 0), (9, 64, 64, 2, 8), (9, 64, 64, 3, 0), (9, 64, 64, 3, 8)]
        assert joules(sources) == pytest.approx({"cpu:0": 2.0, "dram:0": 3.0, "dram:1": 11.0})
        assert "perf_event_paranoid" in problems[0].remedy
        assert "cpu:1" in sources[1].read().lost

    def test_cpus_of_one_package_may_each_show_the_whole_of_it(
        self, root: Path, tmp_path: Path
    ) -> None:
        alike = topology(tmp_path, {0: 0, 8: 0})
        (source,), problems = perf.find(SYSTEM_CLOCK, root, lambda _attributes, _cpu: 0, alike)
        assert "a die or all of it" in source.read().lost["cpu:0"].why
        assert "6.11" in problems[0].remedy

    def test_a_virtual_machine_with_other_events_has_none(self, root: Path) -> None:
        for file in (root / "events").iterdir():
            file.unlink()
        sources, (problem,) = perf.find(SYSTEM_CLOCK, root)
        assert sources == []
        assert problem.absent


def test_windows_energy_meters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "WinDLL", windows.library, raising=False)
    monkeypatch.setattr(emi, "WINDOWS", True)
    assert emi.offer() is not None
    sources, problems = emi.find(SYSTEM_CLOCK)
    assert problems == []
    assert joules(sources) == pytest.approx({"cpu:0": 3.6, "dram:0": 1.8})


def test_windows_tells_how_long_it_was_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "WinDLL", windows.library, raising=False)
    monkeypatch.setattr(SystemClock, "_boottime", None)
    monkeypatch.setattr(clock, "_kernel32", cache(clock._kernel32.__wrapped__))
    assert SYSTEM_CLOCK.asleep() == pytest.approx(windows.ASLEEP_S, abs=0.5)
    monkeypatch.delattr(ctypes, "WinDLL")  # it was loaded, and is not loaded again
    assert SYSTEM_CLOCK.asleep() == pytest.approx(windows.ASLEEP_S, abs=0.5)


def test_an_energy_meter_that_names_no_channels_is_told() -> None:
    answers = windows.energy_meter(1, {})
    device: Any = SimpleNamespace(name="meter", ask=lambda code, _: answers[code])
    sources, (problem,) = emi.find(SYSTEM_CLOCK, [device])
    assert sources == []
    assert "version 1" in problem


class TestSelection:
    @pytest.fixture
    def found(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What `amd` finds."""
        found: dict[str, Any] = {"sources": [], "problems": []}
        module = SimpleNamespace(
            find=lambda _: (found["sources"], found["problems"]),
            offer=lambda: Offer("AMD GPU", "--energy-meters=auto,amd"),
        )
        monkeypatch.setattr(discovery, "source_module", lambda _: module)
        return found

    def test_it_is_read_where_it_is_asked_for(self) -> None:
        assert "amd" not in parse_selection("auto")
        assert parse_selection("auto,amd") == parse_selection("auto") | {"amd"}

    @pytest.mark.usefixtures("tree")
    def test_what_was_asked_for_and_can_t_be_read_is_lost(self, found: dict[str, Any]) -> None:
        found["problems"] = [Problem("AMD GPU", "amdsmi can't be imported")]
        meter = discover("estimate,amd", exclusive=False)
        assert "amdsmi can't be imported" in meter.lost()["amd"]
        found["problems"] = [Problem("AMD GPU", "not here", absent=True)]
        assert discover("estimate,amd", exclusive=False).lost() == {}

    @pytest.mark.usefixtures("two_packages")
    def test_a_meter_of_the_whole_stands_beside_no_part_of_it(
        self, found: dict[str, Any], tmp_path: Path
    ) -> None:
        sensor(tmp_path / "ina", 0, name="ina3221", in1_label="VDD_IN")
        found["sources"], _ = jetson.find(SYSTEM_CLOCK, tmp_path / "ina")
        with pytest.raises(MeterError, match=r"psys:0 of jetson has in it what cpu:0 of rapl"):
            discover("rapl,jetson", exclusive=False)
        meter = discover("jetson,estimate", exclusive=False)
        assert [domain.name for domain in meter.domains] == ["psys:0"]  # nothing left to estimate

    def test_the_doctor_names_what_nobody_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(diagnosis, "EXPERIMENTAL", ("amd", "custom"))
        module = SimpleNamespace(offer=lambda: Offer("AMD GPU", "--energy-meters=auto,amd"))
        monkeypatch.setattr(diagnosis, "source_module", lambda _: module)
        meter = Meter([CounterSource(lambda: 1.0, "wall", covers=("cpu", "ram"))])
        found = diagnosis.diagnose(quick=True, meter=meter)
        (gap,) = found.missing  # `custom` is read
        assert (gap.what, gap.remedy) == ("AMD GPU", "--energy-meters=auto,amd")
        assert "experimental" in gap.why
        assert found.uncovered == ()  # the socket says what it covers

    @pytest.mark.parametrize("beside_nvidia", [False, True])
    @pytest.mark.parametrize(
        ("name", "drivers"),
        [
            ("amd", ()),
            ("hwmon", ("i915",)),
            ("hwmon", ("xe", "amd_energy")),
            ("hwmon", ("amd_energy",)),
        ],
    )
    def test_a_gpu_is_offered_in_place_of_nvidia_s_where_both_would_be_gpu_0(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        drivers: tuple[str, ...],
        beside_nvidia: bool,
    ) -> None:
        monkeypatch.setattr(diagnosis, "EXPERIMENTAL", (name,))
        monkeypatch.setattr(amd, "DRIVER", tmp_path)
        monkeypatch.setattr(hwmon, "ROOT", tmp_path)
        for number, driver in enumerate(drivers):
            label = "Esocket0" if driver == "amd_energy" else "card"
            sensor(tmp_path, number, name=driver, energy1_input="1", energy1_label=label)
        source = "nvml" if beside_nvidia else "custom"
        wall = CounterSource(lambda: 1.0, "wall", covers=("cpu", "ram"), source=source)
        (gap,) = diagnosis.diagnose(quick=True, meter=Meter([wall])).missing
        asked = parse_selection(re.search(r"--energy-meters=([\w,]+)", gap.remedy)[1].rstrip(","))
        assert {name, "estimate"} <= asked
        instead = beside_nvidia and drivers != ("amd_energy",)
        assert ("nvml" in asked) != instead
        assert gap.remedy.endswith(", in place of NVIDIA's") == instead


def test_the_rule_for_counters_comes_with_what_it_means(
    two_packages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = advice(two_packages.root)
    assert "CVE-2020-8694" in text
    assert "readable for you already" in text
    for rule in ('SUBSYSTEM=="powercap", ACTION=="add"', "0440 root energy -", "udevadm trigger"):
        assert rule in text
    monkeypatch.setattr(powercap, "read_plain", refused)
    assert "closed to you (permission denied: " in advice(two_packages.root)
    assert "no rule can make one readable" in advice(two_packages.root / "nowhere")


def refused(path: Path) -> bytes:
    if path.name == "energy_uj":
        raise PermissionError(13, "Permission denied", os.fspath(path))
    return read_plain(path)
