"""Which counters of a powercap tree are read, and which would count joules twice."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_energybench.metering import powercap
from pytest_energybench.metering.powercap import SYSTEM_ROOT, find_counters, powercap_root, remedy
from tests.metering.conftest import Tree


def names(root: Path) -> dict[str, list[str]]:
    """Domain -> ids of its zones."""
    found = find_counters(root)
    return {domain: [zone.id for zone in zones] for domain, zones in found.domains.items()}


def test_every_socket_and_its_memory(two_packages: Tree) -> None:
    assert names(two_packages.root) == {
        "cpu:0": ["intel-rapl:0"],
        "cpu:1": ["intel-rapl:1"],
        "dram:0": ["intel-rapl:0:0"],
        "dram:1": ["intel-rapl:1:0"],
    }


def test_ten_sockets_come_in_their_order(tree: Tree) -> None:
    for package in range(11):
        tree.add(f"intel-rapl:{package}", f"package-{package}", package * 10**9)
    assert list(names(tree.root)) == [f"cpu:{package}" for package in range(11)]


def test_core_and_uncore_are_parts_of_their_package(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0")
    tree.add("intel-rapl:0:0", "core")
    tree.add("intel-rapl:0:1", "uncore")
    assert list(names(tree.root)) == ["cpu:0"]


def test_amd_has_no_memory_counter(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", range_uj=65_532_610_987)
    tree.add("intel-rapl:0:0", "core")
    assert list(names(tree.root)) == ["cpu:0"]


def test_the_class_directory_links_to_nested_zones(tree: Tree) -> None:
    nested = Tree(tree.root.parent / "devices" / "intel-rapl")
    nested.add("intel-rapl:0", "package-0")
    Tree(nested.root / "intel-rapl:0").add("intel-rapl:0:0", "dram")
    for link in ("", "intel-rapl:0", "intel-rapl:0/intel-rapl:0:0"):
        target = nested.root / link
        (tree.root / target.name).symlink_to(target)
    assert names(tree.root) == {"cpu:0": ["intel-rapl:0"], "dram:0": ["intel-rapl:0:0"]}


def test_a_counter_mirrored_by_each_die_is_read_once(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0-die-0", 70_000_000_000)
    tree.add("intel-rapl:1", "package-0-die-1", 70_000_300_000)
    found = find_counters(tree.root)
    assert names(tree.root) == {"cpu:0": ["intel-rapl:0"]}
    assert found.left_out == ("intel-rapl:1 (package-0-die-1): mirrors intel-rapl:0",)


def test_dies_with_counters_of_their_own_add_up(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0-die-0", 70_000_000_000)
    tree.add("intel-rapl:1", "package-0-die-1", 20_000_000_000)
    assert names(tree.root) == {"cpu:0": ["intel-rapl:0", "intel-rapl:1"]}


def test_the_mmio_twin_of_a_package_is_left_out(tree: Tree) -> None:
    tree.add("intel-rapl-mmio:0", "package-0", 123)
    tree.add("intel-rapl:0", "package-0", 999_000_000_000_000, range_uj=None)
    found = find_counters(tree.root)
    assert names(tree.root) == {"cpu:0": ["intel-rapl:0"]}
    assert found.left_out == ("intel-rapl-mmio:0 (package-0): repeats intel-rapl:0",)


def test_the_memory_of_a_twin_is_left_out_too(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", 5)
    tree.add("intel-rapl:0:0", "dram", 5)
    tree.add("intel-rapl-mmio:0", "package-0", 7)
    tree.add("intel-rapl-mmio:0:0", "dram", 7)
    assert names(tree.root) == {"cpu:0": ["intel-rapl:0"], "dram:0": ["intel-rapl:0:0"]}


def test_mmio_alone_is_read(tree: Tree) -> None:
    tree.add("intel-rapl-mmio:0", "package-0")
    assert names(tree.root) == {"cpu:0": ["intel-rapl-mmio:0"]}


def test_psys_contains_the_packages(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0")
    tree.add("intel-rapl:1", "psys")
    found = find_counters(tree.root)
    assert list(found.domains) == ["cpu:0"]
    assert found.left_out == ("intel-rapl:1 (psys): contains the packages",)


def test_psys_alone_is_read(tree: Tree) -> None:
    tree.add("intel-rapl:0", "psys")
    assert names(tree.root) == {"psys:0": ["intel-rapl:0"]}


def test_permission_denied_is_one_line_with_file_and_remedy(
    two_packages: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bytes:
        if path.name == "name" or path.name.startswith("max"):
            return path.read_bytes()
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(powercap, "read_plain", denied)  # root may read anything
    found = find_counters(two_packages.root)
    first = two_packages.energy("intel-rapl:0")
    assert list(found.domains) == ["cpu:0", "cpu:1", "dram:0", "dram:1"]  # there, and lost
    assert [str(problem) for problem in found.problems] == [
        f"RAPL: permission denied: {first} and 3 more; "
        f"run `sudo chmod a+r {two_packages.root}/*/energy_uj`; or --energy-meters=estimate; "
        "or go on without with --energy-allow-missing=cpu:0,dram:0,cpu:1,dram:1"
    ]


@pytest.fixture
def open_tree() -> Iterator[Tree]:
    """Two packages, in a folder that all users may look into."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        root = Path(name)
        (root / "driver").mkdir()
        drivers = Tree(root / "driver")
        for number in (0, 1):
            drivers.add(f"intel-rapl:{number}", f"package-{number}")
        (root / "class").mkdir()
        for zone in sorted((root / "driver").iterdir()):
            (root / "class" / zone.name).symlink_to(zone)
        root.chmod(0o755)
        yield Tree(root)
        for path in (root, *root.iterdir(), *(root / "driver").iterdir()):
            path.chmod(0o755)


@contextmanager
def nobody() -> Iterator[None]:
    """As a user without rights."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
@pytest.mark.parametrize(
    ("closed", "lost"),
    [
        ("driver/intel-rapl:1", {"cpu:1"}),
        ("driver", {"cpu:0", "cpu:1"}),
        ("class", {"cpu:0"}),
    ],
)
def test_zones_behind_a_closed_folder_are_lost_and_not_absent(
    open_tree: Tree, closed: str, lost: set[str]
) -> None:
    (open_tree.root / closed).chmod(0o000)
    with nobody():
        found = find_counters(open_tree.root / "class")
    assert lost <= found.domains.keys()
    (problem,) = found.problems
    assert "permission denied" in problem.why
    assert f"sudo chmod -R a+rX {open_tree.root / 'class'}" in problem.remedy
    assert not problem.absent


def test_the_lasting_remedy_is_what_the_doctor_prints() -> None:
    text = remedy(SYSTEM_ROOT / "intel-rapl:0" / "energy_uj")
    assert "chmod a+r /sys/class/powercap/*/energy_uj" in text
    assert "energybench doctor --fix" in text


def test_rubbish_names_the_file(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0")
    tree.write("intel-rapl:0", "n/a\n")
    (problem,) = find_counters(tree.root).problems
    assert str(tree.energy("intel-rapl:0")) in problem


def test_a_missing_root_says_what_to_check(tmp_path: Path) -> None:
    (problem,) = find_counters(tmp_path / "nowhere").problems
    assert "doesn't exist" in problem
    assert problem.remedy == "check ENERGYBENCH_POWERCAP_ROOT"


def test_an_empty_root_says_so(tree: Tree) -> None:
    (problem,) = find_counters(tree.root).problems
    assert f"no counter in {tree.root}" in problem


def test_the_root_is_told_by_argument_variable_or_default(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert powercap_root(tmp_path) == tmp_path
    assert powercap_root() == tree.root
    monkeypatch.delenv("ENERGYBENCH_POWERCAP_ROOT")
    assert powercap_root() == SYSTEM_ROOT
