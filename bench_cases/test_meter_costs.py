"""What metering costs and how exact it is, side by side with other tools.

    pytest bench_cases/test_meter_costs.py -m slow

prints the table and writes `reports/meter_costs.json`. The peers come with the extra `peers`, or
from another environment whose interpreter `ENERGYBENCH_PEERS_PYTHON` names; one that isn't there or
can't run is told as such. Every tool runs in fresh processes of its own, one after the other, on
the same made powercap tree: two packages with dram.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from tabulate import tabulate

from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.power import PowerIntegral
from pytest_energybench.metering.rapl import RaplSource

pytestmark = pytest.mark.slow

SLEEP_S = 20
RANGE_UJ = 262_143_328_850

PROBE = """
import json, resource, statistics, sys, time
begin = time.perf_counter()
{setup}
with window(): pass
first_ms = (time.perf_counter() - begin) * 1e3

def cpu_s():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime

what, tool = sys.argv[1], sys.argv[2]
if what == "windows":
    batches = []
    for _ in range(5):
        spent = []
        for _ in range({windows}):
            start = time.perf_counter()
            with window(): pass
            spent.append(time.perf_counter() - start)
        batches.append(statistics.median(spent) * 1e6)
    result = min(batches)
elif what == "sleep":
    start = cpu_s()
    with window(): time.sleep({sleep})
    result = (cpu_s() - start) * 1e3
else:
    result = first_ms
print(json.dumps(result))
"""

OURS = """
from pytest_energybench.metering.meter import default_meter, measure
window = measure
"""

PYJOULES = """
import os
from contextlib import contextmanager
from pyJoules.device import rapl_device
rapl_device.RAPL_API_DIR = os.environ["ENERGYBENCH_POWERCAP_ROOT"] + "/intel-rapl"
from pyJoules.device.rapl_device import RaplDevice
from pyJoules.energy_meter import EnergyMeter
device = RaplDevice()
device.configure(domains=RaplDevice.available_domains())
meter = EnergyMeter([device])

@contextmanager
def window():
    meter.start()
    yield
    meter.stop()
"""

ZEUS = """
import os
from contextlib import contextmanager
from zeus.device.cpu import rapl
rapl.RAPL_DIR = os.environ["ENERGYBENCH_POWERCAP_ROOT"] + "/intel-rapl"
from zeus.monitor import ZeusMonitor
monitor = ZeusMonitor(gpu_indices=[])

@contextmanager
def window():
    monitor.begin_window("w", sync_execution=False)
    yield
    monitor.end_window("w", sync_execution=False)
"""

CODECARBON = """
from contextlib import contextmanager
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(
    country_iso_code="USA", log_level="critical", save_to_file=False, allow_multiple_runs=True
)

@contextmanager
def window():
    tracker.start_task("w")
    yield
    tracker.stop_task("w")
"""


@dataclass(frozen=True)
class Tool:
    """A tool as the probe drives it; `windows` are timed at a go."""

    name: str
    setup: str
    windows: int
    meters: str = ""
    python: str = sys.executable


@dataclass
class Row:
    """One line of the table: ours, the limit it has to keep, and what the peers take."""

    what: str
    unit: str
    ours: float
    limit: float
    peers: dict[str, float | str]

    @property
    def is_kept(self) -> bool:
        return self.ours <= self.limit


PEER_PYTHON = os.environ.get("ENERGYBENCH_PEERS_PYTHON", sys.executable)
COUNTED = Tool("energybench", OURS, 2000, "rapl")
ESTIMATED = Tool("energybench, estimate", OURS, 2000, "estimate")
PEERS = (
    Tool("pyJoules", PYJOULES, 2000, python=PEER_PYTHON),
    Tool("zeus", ZEUS, 1000, python=PEER_PYTHON),
    Tool("codecarbon", CODECARBON, 20, python=PEER_PYTHON),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packages with dram, nested as the kernel nests them."""
    root = tmp_path_factory.mktemp("powercap")
    for package in (0, 1):
        zone = root / "intel-rapl" / f"intel-rapl:{package}"
        for folder, name in ((zone, f"package-{package}"), (zone / f"{zone.name}:0", "dram")):
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{name}\n")
            (folder / "energy_uj").write_text(f"{(package + 1) * 7_000_000_000}\n")
            (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    return root


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The table, in the order of the tests."""
    return []


def command(tool: Tool, what: str) -> list[str]:
    script = PROBE.format(setup=tool.setup, windows=tool.windows, sleep=SLEEP_S)
    return [tool.python, "-c", script, what, tool.name]


def environment(tool: Tool, tree: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ENERGYBENCH_POWERCAP_ROOT": str(tree),
        "ENERGYBENCH_METERS": tool.meters or "auto",
        "ENERGYBENCH_LOCK_DIR": str(tree.parent / f"locks-{tool.name}"),
    }


def probe(tool: Tool, what: str, tree: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(tool, what),
        env=environment(tool, tree),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def figure(process: subprocess.Popen[str]) -> float | str:
    """What the probe measured, or why it couldn't."""
    out, err = process.communicate(timeout=600)
    if process.returncode:
        return (err.strip().splitlines() or ["no message"])[-1][:60]
    return float(json.loads(out.splitlines()[-1]))


def best(tool: Tool, what: str, tree: Path, times: int) -> float | str:
    """The median of `times` fresh processes."""
    figures = [figure(probe(tool, what, tree)) for _ in range(times)]
    wrong = [each for each in figures if isinstance(each, str)]
    return wrong[0] if wrong else statistics.median(float(each) for each in figures)


def ours(found: float | str) -> float:
    assert isinstance(found, float), found
    return found


def test_window_start_and_stop(tree: Path, rows: list[Row]) -> None:
    peers = {tool.name: best(tool, "windows", tree, 1) for tool in PEERS}
    counted = Row("window start + stop", "us", ours(best(COUNTED, "windows", tree, 3)), 25.0, peers)
    estimated = Row(
        "the same on the estimate", "us", ours(best(ESTIMATED, "windows", tree, 3)), 2000.0, {}
    )
    rows += [counted, estimated]
    assert counted.is_kept, counted
    assert estimated.is_kept, estimated


def test_import_and_first_window(tree: Path, rows: list[Row]) -> None:
    peers = {tool.name: best(tool, "first", tree, 3) for tool in PEERS}
    counted = Row("import + first window", "ms", ours(best(COUNTED, "first", tree, 9)), 40.0, peers)
    estimated = Row(
        "the same on the estimate", "ms", ours(best(ESTIMATED, "first", tree, 9)), 90.0, {}
    )
    rows += [counted, estimated]
    assert counted.is_kept, counted
    assert estimated.is_kept, estimated


def test_what_the_plugin_adds_to_a_start(tmp_path: Path, rows: list[Row]) -> None:
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")

    def cpu_ms(*arguments: str) -> float:
        base = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*base, *arguments], cwd=tmp_path, env=bare, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3

    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # others' cost is noise here
    added: list[float] = []
    for _ in range(20):  # side by side, so that what else runs here hits both alike
        without = cpu_ms()
        added.append(cpu_ms("-p", "pytest_energybench.plugin") - without)
    row = Row("added to pytest --collect-only", "ms CPU", statistics.median(added), 8.0, {})
    rows.append(row)
    assert row.is_kept, row


def test_a_long_sleep(tree: Path, rows: list[Row]) -> None:
    """All at once: each counts its own CPU time, and sleepers don't disturb each other."""
    running = {tool: probe(tool, "sleep", tree) for tool in (COUNTED, ESTIMATED, *PEERS)}
    found = {tool.name: figure(process) for tool, process in running.items()}
    mine = max(ours(found.pop(COUNTED.name)), ours(found.pop(ESTIMATED.name)))
    row = Row(f"metering a {SLEEP_S} s sleep", "ms CPU", mine, 5.0, found)
    rows.append(row)
    assert row.is_kept, row


def test_counters_against_a_known_trace(tree: Path, rows: list[Row]) -> None:
    chance = random.Random(1)
    source = RaplSource.find(tree)
    counters = sorted(tree.rglob("energy_uj"))
    worst = 0.0
    for _ in range(50):
        truth_uj = 0
        with Meter([source]).measure() as window:
            for _ in range(20):
                for counter in counters:
                    step = chance.randrange(RANGE_UJ // 3)
                    counter.write_text(f"{(int(counter.read_text()) + step) % RANGE_UJ}\n")
                    truth_uj += step
                source.tick()
        worst = max(worst, abs(window.total_j - truth_uj / 1e6) / (truth_uj / 1e6))
    row = Row("error of counters, wraps included", "%", worst * 100, 0.1, {})
    rows.append(row)
    assert row.is_kept, row


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


def test_sampled_power_against_known_traces(rows: list[Row]) -> None:
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
    typical = Row("error of sampled power, features of 10 periods", "%", max(errors) * 100, 1.0, {})
    short = Row("bursts that the error bar misses", "%", 100 * (1 - covered / bursts), 0.0, {})
    rows += [typical, short]
    assert typical.is_kept, typical
    assert short.is_kept, short


def test_the_table(
    rows: list[Row], pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints and writes what the tests above have found."""
    names = [peer.name for peer in PEERS]
    table = tabulate(
        [
            [row.what, row.unit, f"{row.ours:.3g}", f"<= {row.limit:g}"]
            + [shown(row.peers.get(name)) for name in names]
            for row in rows
        ],
        ["", "", "energybench", "to reach", *names],
    )
    path = pytestconfig.rootpath / "reports" / "meter_costs.json"
    path.parent.mkdir(exist_ok=True)
    content = {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    path.write_text(json.dumps({**content, "rows": [asdict(row) for row in rows]}, indent=2))
    with capsys.disabled():
        print(f"\n\n{table}\n\nwritten to {path}")
        for tool in PEERS:
            why = next((w for row in rows if isinstance(w := row.peers.get(tool.name), str)), None)
            if why is not None:
                print(f"{tool.name} can't run here: {why}")
    assert rows


def shown(peer: float | str | None) -> str:
    if isinstance(peer, str):
        return "can't run"
    return "-" if peer is None else f"{peer:.3g}"
