"""Which sources a machine has, and what the user may select."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest

from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.discovery import discover, parse_selection
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.meter import Meter
from tests.metering.conftest import FakeNvml, Tree


def names(meter: Meter) -> list[str]:
    return [domain.name for domain in meter.domains]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (None, {"rapl", "nvml", "estimate", "wall"}),
        ("", {"rapl", "nvml", "estimate", "wall"}),
        ("auto", {"rapl", "nvml", "estimate", "wall"}),
        ("rapl", {"rapl"}),
        (" rapl , wall ", {"rapl", "wall"}),
        ("wall,auto", {"rapl", "nvml", "estimate", "wall"}),
    ],
)
def test_selections(selection: str | None, expected: set[str]) -> None:
    assert parse_selection(selection, ["wall"]) == expected


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        MeterError,
        match=r"unknown meter 'rappl' in 'rappl'; allowed: auto, .*estimate, amd, .*wall",
    ):
        parse_selection("rappl", ["wall"])


def test_counters_are_preferred(two_packages: Tree) -> None:
    assert names(discover()) == ["cpu:0", "cpu:1", "dram:0", "dram:1"]
    assert two_packages.root.exists()


def test_memory_is_estimated_where_only_the_processor_counts(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0")
    meter = discover()
    assert names(meter) == ["cpu:0", "ram"]
    assert meter.provenance == {"cpu:0": "measured", "ram": "estimated"}


def test_everything_is_estimated_where_nothing_counts(tree: Tree) -> None:
    meter = discover()
    assert names(meter) == ["cpu", "ram"]
    assert str(tree.root) in meter.problems[0]


def test_psys_includes_memory_so_nothing_is_estimated(tree: Tree) -> None:
    tree.add("intel-rapl:0", "psys")
    assert names(discover()) == ["psys:0"]


def test_gpus_come_beside_the_processor(tree: Tree, fake_nvml: FakeNvml) -> None:
    tree.add("intel-rapl:0", "package-0")
    fake_nvml.add()
    fake_nvml.add()
    assert names(discover()) == ["cpu:0", "gpu:0", "gpu:1", "ram"]
    assert names(discover("nvml")) == ["gpu:0", "gpu:1"]


@pytest.mark.usefixtures("two_packages")
def test_the_users_own_meters_go_by_their_domain() -> None:
    wall = CounterSource(lambda: 1.0, "wall")
    ram = CounterSource(lambda: 1.0, "ram")
    assert names(discover("wall", own=[wall, ram])) == ["wall"]
    assert names(discover(own=[wall]))[0] == "wall"
    assert names(discover("estimate", own=[ram])) == ["cpu", "ram"]
    assert names(discover("estimate,ram", own=[ram])) == ["ram", "cpu"]


def test_nothing_to_read_is_an_error_not_zero_joules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYBENCH_POWERCAP_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(MeterError, match=r"nothing can be metered with 'rapl': RAPL: .*nowhere"):
        discover("rapl")


def test_the_lock_can_be_left_out(two_packages: Tree, locks: Path) -> None:
    with discover("rapl", exclusive=False).measure() as window:
        two_packages.grow("intel-rapl:0", 1.0)
    assert window.total_j == pytest.approx(1.0)
    assert not locks.exists()
    discover("rapl")
    assert sorted(path.name for path in locks.iterdir()) == ["machine", "machine.gate"]


@pytest.mark.usefixtures("two_packages")
def test_a_meter_that_is_gone_leaves_no_file_open() -> None:
    def open_files() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    with discover().measure():  # the locks of a process stay
        pass
    before = open_files()
    for _ in range(3):
        with discover().measure():
            pass
    end = time.monotonic() + 60.0  # the keeper's thread holds the last one for a second
    while open_files() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert open_files() <= before
