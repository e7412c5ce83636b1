"""What metering may cost at most, and how exact it has to be.

    pytest bench_cases/test_meter_costs.py -m slow

prints the table and writes `reports/meter_costs.json`. Everything is measured in fresh processes on
a made powercap tree: two packages with dram. Other tools stand beside it in `test_peers.py`.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from tabulate import tabulate

from bench_cases.tool_comparison.counters import RANGE_UJ, Replay, make_tree
from bench_cases.tool_comparison.starts import added_cpu_ms
from bench_cases.tool_comparison.tools import Probe, figure, started
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.power import PowerIntegral
from pytest_energybench.metering.rapl import RaplSource

pytestmark = pytest.mark.slow

SLEEP_S = 20
WINDOWS = 2000


@dataclass
class Row:
    """One line of the table: the figure, and the limit it has to keep."""

    what: str
    unit: str
    ours: float
    limit: float

    @property
    def is_kept(self) -> bool:
        return self.ours <= self.limit


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("powercap"))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The table, in the order of the tests."""
    return []


@pytest.fixture
def keep(rows: list[Row]) -> Callable[[str, str, float, float], None]:
    """Add a row to the table; its limit has to be kept."""

    def keep(what: str, unit: str, ours: float, limit: float) -> None:
        row = Row(what, unit, ours, limit)
        rows.append(row)
        assert row.is_kept, row

    return keep


@pytest.fixture
def median(tree: Path, tmp_path: Path) -> Callable[..., float]:
    """The median figure of `times` fresh processes, one after the other."""

    def median(what: Probe, number: float, meters: str, times: int) -> float:
        found = []
        for _ in range(times):
            process = started(
                "energybench", sys.executable, what, number, tmp_path, tree=tree, meters=meters
            )
            found.append(figure(process))
        assert all(isinstance(each, float) for each in found), found
        return statistics.median(found)

    return median


def test_window_start_and_stop(median, keep) -> None:
    keep("window start + stop", "us", median("window", WINDOWS, "rapl", 3), 25.0)
    keep("the same on the estimate", "us", median("window", WINDOWS, "estimate", 3), 2000.0)


def test_import_and_first_window(median, keep) -> None:
    keep("import + first window", "ms", median("first", 0, "rapl", 9), 40.0)
    keep("the same on the estimate", "ms", median("first", 0, "estimate", 9), 90.0)


def test_what_the_plugin_adds_to_a_start(tmp_path: Path, keep) -> None:
    added = added_cpu_ms(sys.executable, "pytest_energybench.plugin", tmp_path, pairs=20)
    keep("added to pytest --collect-only", "ms CPU", added, 8.0)


def test_a_long_sleep(median, keep) -> None:
    worst = max(median("cpu", SLEEP_S, meters, 1) for meters in ("rapl", "estimate"))
    keep(f"metering a {SLEEP_S} s sleep", "ms CPU", worst, 5.0)


def test_counters_against_a_known_trace(tree: Path, keep) -> None:
    source = RaplSource.find(tree)
    replay = Replay(tree)
    worst = 0.0
    for _ in range(50):
        before = replay.spent_uj
        with Meter([source]).measure() as window:
            for _ in range(20):
                replay.spend(RANGE_UJ // 6)
                source.tick()
        truth_j = (replay.spent_uj - before) / 1e6
        worst = max(worst, abs(window.total_j - truth_j) / truth_j)
    keep("error of counters, wraps included", "%", worst * 100, 0.1)


Trace = Callable[[float], float]


def integrated(watts: Trace, end: float, phase: float, period_s: float) -> tuple[float, float]:
    """Joules and error bar of a trace sampled every `period_s` and at both edges."""
    power = PowerIntegral(limit_w=700.0)
    power.add(0.0, watts(0.0))
    at = phase * period_s
    while at < end:
        power.add(at, watts(at))
        at += period_s
    power.add(end, watts(end))
    return power.energy_j(0.0, end), power.error_j(0.0, end)


def test_sampled_power_against_known_traces(keep) -> None:
    """Square features: each level lasts for ten sample periods, or for 0.2 to 2 of them."""
    chance = random.Random(2)
    period_s = 0.1
    errors, covered, bursts = [], 0, 300
    for longest, count in ((1.0, 40), (0.2, 40)):
        for _ in range(bursts):
            lengths = [
                period_s * 10 if longest == 1.0 else period_s * chance.uniform(0.2, 2.0)
                for _ in range(count)
            ]
            levels = [chance.uniform(60.0, 700.0) for _ in lengths]
            starts = [sum(lengths[:i]) for i in range(count)]
            end = sum(lengths)

            def watts(
                at: float, starts: list[float] = starts, levels: list[float] = levels
            ) -> float:
                return next(w for s, w in zip(starts[::-1], levels[::-1], strict=True) if s <= at)

            truth = sum(length * level for length, level in zip(lengths, levels, strict=True))
            joules, bar = integrated(watts, end, chance.random(), period_s)
            if longest == 1.0:
                errors.append(abs(joules - truth) / truth)
            else:
                covered += abs(joules - truth) <= bar
    keep("error of sampled power, features of 10 periods", "%", max(errors) * 100, 1.0)
    keep("bursts that the error bar misses", "%", 100 * (1 - covered / bursts), 0.0)


def test_the_table(
    rows: list[Row], pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints and writes what the tests above have found."""
    lines = [[row.what, row.unit, f"{row.ours:.3g}", f"<= {row.limit:g}"] for row in rows]
    path = pytestconfig.rootpath / "reports" / "meter_costs.json"
    path.parent.mkdir(exist_ok=True)
    content = {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    path.write_text(json.dumps({**content, "rows": [asdict(row) for row in rows]}, indent=2))
    with capsys.disabled():
        print(f"\n\n{tabulate(lines, ['', '', 'measured', 'limit'])}\n\nwritten to {path}")
    assert rows
