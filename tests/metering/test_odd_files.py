"""Files in the place of a counter that would hold up or fill up whoever reads them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_energybench.base.plain_file import KERNEL_BYTES, open_plain, read_plain
from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.powercap import find_counters
from tests.metering.conftest import Tree


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    path.mkdir()


ODD = [pipe, endless, link_to_itself, folder]
ZONE_FILES = [
    "energy_uj",
    "name",
    "max_energy_range_uj",
    "constraint_0_max_power_uw",
    "constraint_0_power_limit_uw",
]
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@needs_pipes
@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("read", [read_plain, open_plain])
def test_what_is_no_file_is_refused_with_its_name(
    tmp_path: Path, make: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    path = tmp_path / "energy_uj"
    make(path)
    with pytest.raises(OSError, match="energy_uj"):
        read(path)


def test_a_long_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "energy_uj"
    path.write_bytes(b"7" * KERNEL_BYTES)
    assert len(read_plain(path)) == KERNEL_BYTES
    path.write_bytes(b"7" * (KERNEL_BYTES + 1))
    with pytest.raises(OSError, match=r"it is larger than 0.0625 MiB: .*energy_uj"):
        read_plain(path)


@needs_pipes
@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("name", ZONE_FILES)
def test_none_of_them_holds_up_the_search_for_counters(
    two_packages: Tree, make: Callable[[Path], None], name: str
) -> None:
    path = two_packages.root / "intel-rapl:0" / name
    path.unlink(missing_ok=True)
    make(path)
    (healthy,) = find_counters(two_packages.root).domains["cpu:1"]
    assert healthy.energy == two_packages.energy("intel-rapl:1")


@needs_pipes
@pytest.mark.parametrize("make", ODD)
def test_a_counter_that_becomes_one_is_lost(
    two_packages: Tree, make: Callable[[Path], None]
) -> None:
    path = two_packages.energy("intel-rapl:0")
    with discover("rapl").measure() as window:
        path.unlink()
        make(path)
    assert window.errors[0].startswith("cpu:0: lost ")
    assert "energy_uj" in window.errors[0]


def missing(path: Path) -> None:
    """Nothing is made."""


@pytest.mark.parametrize("make", [missing, *(ODD if hasattr(os, "mkfifo") else [])])
def test_a_counter_whose_name_cannot_be_read_is_lost(
    two_packages: Tree, make: Callable[[Path], None]
) -> None:
    names = [two_packages.root / zone / "name" for zone in ("intel-rapl:0", "intel-rapl:1:0")]
    for name in names:
        name.unlink()
        make(name)
    with discover("rapl").measure() as window:
        two_packages.grow("intel-rapl:1", 1.0)
    assert [error.partition(": lost ")[0] for error in window.errors] == ["cpu:0", "dram:1"]
    assert all(str(name) in error for name, error in zip(names, window.errors, strict=True))
    assert math.isnan(window.total_j)
