"""RAPL counters that are there and can't be read, step back, or stand still."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.powercap import find_counters
from pytest_energybench.metering.rapl import LONGEST_TICK_S, LUMP_S, PERIOD_S, RaplSource
from pytest_energybench.metering.source import MIN_UPDATES
from tests.metering.conftest import RANGE_UJ, Tree

DOCTOR = (
    "import sys; from pytest_energybench.cli.main import main; "
    "sys.exit(main(['doctor', '--quick']))"
)
BUDGET = """
def test_work(energy):
    with energy.measure():
        sum(range(100_000))
    energy.assert_below("1 MJ")
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


def meter_of(tree: Tree, clock: FakeClock, *allowed: str) -> Meter:
    source = RaplSource.find(tree.root, clock=clock)
    return Meter([source], clock=clock, allow_missing=allowed)


def two(tree: Tree) -> Tree:
    """Two packages, the second unreadable: a folder stands where its counter should be, so that
    not even root can read it."""
    tree.add("intel-rapl:0", "package-0", 5_000_000)
    tree.add("intel-rapl:1", "package-1", 9_000_000).unlink()
    tree.energy("intel-rapl:1").mkdir()
    return tree


def test_a_package_that_cannot_be_read_makes_the_total_unknown(
    tree: Tree, clock: FakeClock
) -> None:
    meter = meter_of(two(tree), clock)
    with meter.measure() as window:
        clock.advance(0.1)
        tree.grow("intel-rapl:0", 5.0)
    assert window.energy_j == {"cpu:0": 5.0}
    assert math.isnan(window.total_j)
    assert window.errors[0].startswith("cpu:1: lost before the window opened: ")
    assert list(meter.lost()) == ["cpu:1"]


def test_a_package_that_may_be_missing_is_left_out_and_said(tree: Tree, clock: FakeClock) -> None:
    meter = meter_of(two(tree), clock, "cpu:1")
    with meter.measure() as window:
        clock.advance(0.1)
        tree.grow("intel-rapl:0", 5.0)
    assert window.total_j == 5.0
    assert window.provenance == {"cpu:0": "measured"}
    assert window.left_out == ["cpu:1"]
    (flag,) = window.flags
    assert flag.startswith("without cpu:1, which may be missing: lost before the window opened")


@pytest.mark.parametrize("broken", ["gone", "folder", "rubbish", "out of range"])
@pytest.mark.parametrize("zone", ["intel-rapl:0", "intel-rapl:1", "intel-rapl:1:0"])
def test_whatever_keeps_a_counter_from_being_read_it_is_lost_not_absent(
    tree: Tree, clock: FakeClock, zone: str, broken: str
) -> None:
    for package in (0, 1):
        tree.add(f"intel-rapl:{package}", f"package-{package}", 10**9 * (package + 5))
        tree.add(f"intel-rapl:{package}:0", "dram", 10**9 * (package + 5))
    whole = set(find_counters(tree.root).domains)
    if broken == "rubbish":
        tree.write(zone, "n/a")
    elif broken == "out of range":
        tree.set(zone, RANGE_UJ + 1)
    else:
        tree.energy(zone).unlink()
    if broken == "folder":
        tree.energy(zone).mkdir()
    with meter_of(tree, clock).measure() as window:
        clock.advance(0.1)
        for each in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1:0"):
            if each != zone:
                tree.grow(each, 1.0)
    assert set(window.provenance) == whole
    assert len(window.errors) == 1
    assert math.isnan(window.total_j)


def test_no_estimate_stands_in_for_a_counter_that_cannot_be_read(tree: Tree) -> None:
    meter = discover("auto", exclusive=False)
    assert set(meter.provenance) == {"cpu", "ram"}
    tree.add("intel-rapl:0", "package-0")
    tree.energy("intel-rapl:0").unlink()
    meter = discover("auto", exclusive=False)
    assert meter.provenance == {"cpu:0": "measured", "ram": "estimated"}
    assert list(meter.lost()) == ["cpu:0"]
    assert set(discover("estimate", exclusive=False).provenance) == {"cpu", "ram"}


def test_a_domain_that_may_be_missing_and_never_was_here_is_told(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0")
    meter = discover("rapl", exclusive=False, allow_missing=["cpu:7"])
    assert meter.problems == (
        "--energy-allow-missing: no domain cpu:7 here, which may be missing; there are cpu:0",
    )


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv: root reads anything")
def test_permission_for_half_a_machine_fails_the_budget_and_the_doctor(
    suite: pytest.Pytester, tree: Tree
) -> None:
    tree.add("intel-rapl:0", "package-0", 5_000_000)
    tree.add("intel-rapl:1", "package-1", 9_000_000).chmod(0)
    suite.makepyfile(BUDGET)
    rights = "-dac_override,-dac_read_search"
    unable = [f"--bounding-set={rights}", f"--inh-caps={rights}"] if os.geteuid() == 0 else []

    def run(*command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["setpriv", *unable, sys.executable, *command], capture_output=True, text=True
        )
        return done.returncode, " ".join(done.stdout.split())

    status, text = run("-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert status == 1
    assert "cpu:1: lost before the window opened: permission denied: " in text
    assert "or --energy-meters=estimate; or go on without with" in text
    assert "--energy-allow-missing=cpu:1" in text
    status, text = run(
        "-m", "pytest", "-q", "--energy-allow-missing=cpu:1", "--energy-json=run.json"
    )
    assert status == 0
    assert "without cpu:1, which was allowed to be missing" in text
    run_file = json.loads(Path("run.json").read_text())
    assert run_file["settings"]["allow_missing"] == run_file["settings"]["without"] == "cpu:1"
    assert {meter["domain"] for meter in run_file["meters"]} == {"cpu:0", "ram"}
    assert set(run_file["cases"][0]["energy_j"]) == {"cpu:0", "ram"}
    status, text = run("-c", DOCTOR)
    assert status == 1
    assert "Every part" not in text
    assert "so no gate can judge. Lost: cpu:1: permission denied" in text


@pytest.mark.parametrize("value", ["", ",", "cpu:0,,gpu:1"])
def test_no_name_is_no_domain(suite: pytest.Pytester, value: str) -> None:
    suite.makepyfile(BUDGET)
    result = suite.runpytest(f"--energy-allow-missing={value or ','}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--energy-allow-missing=*names of domains, e.g. cpu:0,gpu:3*"])


@pytest.mark.parametrize(
    ("before", "after", "top"),
    [
        (100_000_000, 99_000, 65_532_610_987),
        (100_000_000, 99_999_000, 65_532_610_987),
        (9_000_000_000, 0, RANGE_UJ),
        (0, 2**32, RANGE_UJ),
        (5, 200_000_000_000, RANGE_UJ),
    ],
)
def test_more_than_a_package_can_draw_is_no_figure(
    tree: Tree, clock: FakeClock, before: int, after: int, top: int
) -> None:
    tree.add("intel-rapl:0", "package-0", before, range_uj=top)
    with meter_of(tree, clock).measure() as window:
        clock.advance(0.3)
        tree.set("intel-rapl:0", after)
    assert math.isnan(window.total_j)
    assert f"went from {before} to {after} uJ in 0.3 s" in window.errors[0]
    assert "at most 1000 W can be drawn" in window.errors[0]


def test_the_limits_that_a_zone_states_are_believed(tree: Tree, clock: FakeClock) -> None:
    folder = tree.add("intel-rapl:0", "package-0", 10**9).parent
    (folder / "constraint_0_max_power_uw").write_text("65000000\n")
    (folder / "constraint_1_max_power_uw").write_text("0\n")
    meter = meter_of(tree, clock)
    for watts, known in ((60.0, True), (120.0, True), (300.0, False)):
        with meter.measure() as window:
            clock.advance(10.0)
            tree.grow("intel-rapl:0", watts * 10.0)
        assert math.isnan(window.total_j) is not known
    assert "at most 130 W" in window.errors[0]


def test_a_counter_that_stands_still_is_lost(tree: Tree, clock: FakeClock) -> None:
    tree.add("intel-rapl:0", "package-0", 123)
    with meter_of(tree, clock).measure() as window:
        clock.advance(1.5)
    assert window.errors[0].endswith("stood still at 123 uJ for 1.5 s: it doesn't count")


def test_one_that_stops_in_a_long_window_is_lost_too(tree: Tree, clock: FakeClock) -> None:
    tree.add("intel-rapl:0", "package-0", 123)
    source = RaplSource.find(tree.root, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        for second in range(10):
            clock.advance(1.0)
            if second < 5:
                tree.grow("intel-rapl:0", 10.0)
            source.tick()
    assert "cpu:0: lost 7.000 s into the window" in window.errors[0]


def test_a_budget_never_holds_on_a_counter_that_stands_still_however_short_its_window(
    suite: pytest.Pytester, tree: Tree
) -> None:
    tree.add("intel-rapl:0", "package-0")
    suite.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.parametrize("seconds", [0.03, 0.2, 0.45])
        def test_short(energy, seconds):
            with energy.measure():
                time.sleep(seconds)
            energy.assert_below("1 MJ")

        def test_busy(energy):
            with energy.measure():
                end = time.monotonic() + 1.6
                while time.monotonic() < end: pass
            energy.assert_below("1 J")
        """
    )
    result = suite.runpytest("--energy-meters=rapl", "--energy-json=run.json")
    result.assert_outcomes(failed=4)
    cases = json.loads((suite.path / "run.json").read_bytes())["cases"]
    assert ["stood still" in case["errors"][0] for case in cases] == [True] * 4


@given(
    begin=st.integers(0, RANGE_UJ),
    end=st.integers(0, RANGE_UJ),
    seconds=st.floats(0.001, 100.0),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_a_figure_is_power_that_a_package_can_draw_or_none(
    tmp_path: Path, begin: int, end: int, seconds: float
) -> None:
    clock = FakeClock()
    made = Tree(tmp_path)
    if not (tmp_path / "intel-rapl:0").exists():
        made.add("intel-rapl:0", "package-0")
    made.set("intel-rapl:0", begin)
    with meter_of(made, clock).measure() as window:
        clock.advance(seconds)
        made.set("intel-rapl:0", end)
    step = end - begin + (RANGE_UJ if end < begin else 0)
    possible = step / 1e6 <= 1000.0 * (seconds + LUMP_S)
    still = step == 0 and seconds >= MIN_UPDATES * PERIOD_S
    assert (window.energy_j == {"cpu:0": step / 1e6}) == (possible and not still)
    assert bool(window.errors) != (possible and not still)


def test_dies_that_both_begin_at_nought_are_two(tree: Tree, clock: FakeClock) -> None:
    tree.add("intel-rapl:0", "package-0-die-0", 0)
    tree.add("intel-rapl:1", "package-0-die-1", 0)
    with meter_of(tree, clock).measure() as window:
        clock.advance(1.0)
        tree.grow("intel-rapl:0", 10.0)
        tree.grow("intel-rapl:1", 30.0)
    assert window.energy_j == {"cpu:0": 40.0}


@pytest.mark.parametrize("name", ["Package-0", "PACKAGE-0", "package-0"])
def test_a_driver_may_write_its_zones_in_capitals(tree: Tree, name: str) -> None:
    tree.add("intel-rapl:0", name)
    tree.add("intel-rapl:0:0", "DRAM")
    assert list(find_counters(tree.root).domains) == ["cpu:0", "dram:0"]


@pytest.mark.parametrize("range_uj", [0, 1, 7, 1_000_000])
def test_a_range_that_no_counter_has_is_refused_and_nothing_spins(
    tree: Tree, clock: FakeClock, range_uj: int
) -> None:
    tree.add("intel-rapl:0", "package-0", 0, range_uj=range_uj)
    source = RaplSource.find(tree.root, clock=clock)
    assert source.tick_s == LONGEST_TICK_S
    assert f"max_energy_range_uj of {range_uj} would be passed" in source.read().lost["cpu:0"].why


def test_no_escape_in_a_zones_name_is_passed_on(tree: Tree, clock: FakeClock) -> None:
    tree.add("intel-rapl:0", "package-0\x1b[31m", 0)
    (domain,) = RaplSource.find(tree.root, clock=clock).domains
    assert domain.note.startswith("package-0\\x1b[31m: ")


def test_a_process_stopped_between_clock_and_counter_loses_nothing(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read late looks like much power in little time, or like a counter at rest."""
    tree.add("intel-rapl:0", "package-0", 0)
    clock = FakeClock()
    source = RaplSource.find(tree.root, clock=clock)
    pread = os.pread
    late_s = [0.0, 50.0, 0.0]

    def late(fd: int, size: int, offset: int) -> bytes:
        seconds = late_s.pop(0)
        clock.advance(seconds)
        tree.grow("intel-rapl:0", 900.0 * seconds)
        return pread(fd, size, offset)

    with Meter([source], clock=clock).measure() as window:
        monkeypatch.setattr(os, "pread", late)
        source.tick()
        source.tick()
    assert window.errors == []
    assert window.total_j == pytest.approx(45_000.0)
