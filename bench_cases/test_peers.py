"""Ours beside codecarbon, zeus, pyJoules, carbontracker and two plugins: one run, one table.

    pytest bench_cases/test_peers.py -m peers  # some 8 minutes, and 1.3 GB of environments
    python -m bench_cases.tool_comparison.page  # reports/peers.json -> docs/peers.md

Each tool is installed into an environment of its own, in `--peers-envs`, and asked in fresh
processes. What a peer can't do here is told in its own words. Only ours must not fail; what ours
may cost at most is in `test_meter_costs.py`.
"""

from __future__ import annotations

import csv
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
import pytest
from tabulate import tabulate

from bench_cases.tool_comparison.counters import make_tree
from bench_cases.tool_comparison.environments import Environment, InstallError, last_line
from bench_cases.tool_comparison.starts import added_cpu_ms
from bench_cases.tool_comparison.table import Row, Table, cells, failures
from bench_cases.tool_comparison.tools import (
    HERE,
    OURS,
    TOOLS,
    Figure,
    Probe,
    Tool,
    figure,
    median,
    quiet_environment,
    started,
)
from bench_cases.tool_comparison.workloads import LOADS
from pytest_energybench.metering.machine import machine_facts

pytestmark = pytest.mark.peers

METERS = [tool for tool in TOOLS if tool.adapter]
PLUGINS = [tool for tool in TOOLS if tool.plugin]
TRACE_S = 10.0
"""Longest trace: every tool has looked several times by then."""


@pytest.fixture(scope="module")
def environments(pytestconfig: pytest.Config) -> dict[str, Environment | str]:
    """An environment for each tool, or why there is none. Ours is made anew: it changes."""
    given = pytestconfig.getoption("peers_envs")
    root = Path(given) if given else platformdirs.user_cache_path("pytest-energybench") / "peers"
    made: dict[str, Environment | str] = {}
    for tool in TOOLS:
        is_ours = tool.name == OURS
        what = str(pytestconfig.rootpath) if is_ours else tool.name
        try:
            made[tool.name] = Environment.made(root / tool.name, what, anew=is_ours)
        except InstallError as error:
            made[tool.name] = str(error)
    return made


@pytest.fixture(scope="module")
def seconds(pytestconfig: pytest.Config) -> float:
    return float(pytestconfig.getoption("peers_seconds"))


@pytest.fixture(scope="module")
def table(
    environments: dict[str, Environment | str], seconds: float, pytestconfig: pytest.Config
) -> Iterator[Table]:
    """Filled row by row by the tests below, and written and shown after the last."""
    facts = machine_facts(gpus=())
    table = Table(
        created=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        cpu=facts.cpu,
        cores=facts.cores,
        python=f"Python {platform.python_version()}",
        seconds=seconds,
        busy_cores=os.getloadavg()[0],
        versions={
            name: "–" if isinstance(env, str) else env.versions[name.lower()]
            for name, env in environments.items()
        },
    )
    yield table
    path = pytestconfig.rootpath / "reports" / "peers.json"
    table.write(path)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\n{tabulate(cells(table), headers='firstrow')}\n\nwritten: {path}")
        for (tool, error), rows in failures(table).items():
            print(f"{tool} fails: {error} ({len(rows)} rows)")


@pytest.fixture
def keep(table: Table) -> Callable[[str, str, int, dict[str, Figure]], None]:
    """Add a row; ours must have a figure in it, where it is asked for one."""

    def keep(what: str, unit: str, n: int, figures: dict[str, Figure]) -> None:
        table.rows.append(Row(what, unit, n, figures))
        assert isinstance(figures.get(OURS), float), figures.get(OURS)

    return keep


class Asking:
    """Asks tools for figures."""

    def __init__(self, environments: dict[str, Environment | str], folder: Path) -> None:
        self._environments = environments
        self._folder = folder

    def one(self, tool: Tool, what: Probe, number: float, tree: Path | None, times: int) -> Figure:
        """The median of some processes, one after the other."""
        found: list[Figure] = []
        for _ in range(times):
            process = self._start(tool, what, number, tree)
            found.append(process if isinstance(process, str) else figure(process))
        return median(found)

    def all_at_once(
        self, what: Probe, number: float, tree: Callable[[Tool], Path | None]
    ) -> dict[str, Figure]:
        """One process of each tool, side by side: for what leaves the machine idle."""
        running = {tool.name: self._start(tool, what, number, tree(tool)) for tool in METERS}
        return {
            name: process if isinstance(process, str) else figure(process)
            for name, process in running.items()
        }

    def _start(
        self, tool: Tool, what: Probe, number: float, tree: Path | None
    ) -> subprocess.Popen[str] | str:
        environment = self._environments[tool.name]
        if isinstance(environment, str):
            return environment
        folder = self._folder / tool.name
        return started(tool.adapter, environment.python, what, number, folder, tree=tree)


@pytest.fixture
def asking(environments: dict[str, Environment | str], tmp_path: Path) -> Asking:
    return Asking(environments, tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "powercap")


def test_install(environments, keep) -> None:
    sizes: dict[str, Figure] = {}
    counts: dict[str, Figure] = {}
    for name, env in environments.items():
        sizes[name] = env if isinstance(env, str) else env.size_mb
        counts[name] = env if isinstance(env, str) else float(len(env.versions))
    keep("installed size", "MB", 1, sizes)
    keep("packages", "", 1, counts)


@pytest.mark.parametrize("where", ["on counters", "on this machine"])
def test_window(asking, keep, tree, where) -> None:
    at = tree if where == "on counters" else None
    found = {tool.name: asking.one(tool, "window", tool.windows, at, 3) for tool in METERS}
    keep(f"window, start + stop, {where}", "µs", 3, found)


def test_import_and_first_window(asking, keep, tree) -> None:
    found = {tool.name: asking.one(tool, "first", 0, tree, 5) for tool in METERS}
    keep("import + first window, on counters", "ms", 5, found)


def test_start_of_pytest(environments, keep, tmp_path) -> None:
    found: dict[str, Figure] = {}
    for tool in PLUGINS:
        env = environments[tool.name]
        if isinstance(env, str):
            found[tool.name] = env
            continue
        try:
            found[tool.name] = added_cpu_ms(env.python, tool.plugin, tmp_path, pairs=9)
        except subprocess.CalledProcessError as error:
            found[tool.name] = last_line((error.stderr or error.stdout).decode())
    keep("added to a start of pytest", "ms CPU", 9, found)


def test_cpu_while_metering(asking, keep, tree, seconds) -> None:
    keep(
        f"CPU while metering {seconds:g} s of sleep, on counters",
        "ms CPU",
        1,
        asking.all_at_once("cpu", seconds, lambda _: tree),
    )
    keep(
        "the same on this machine",
        "ms CPU",
        1,
        asking.all_at_once("cpu", seconds, lambda _: None),
    )


@pytest.mark.parametrize("load", LOADS)
def test_joules(asking, environments, keep, seconds, tmp_path, load) -> None:
    if load == "idle":
        found = asking.all_at_once(load, seconds, lambda _: None)
    else:
        found = {tool.name: asking.one(tool, load, seconds, None, 1) for tool in METERS}
    found["pytest-codecarbon"] = by_test(environments["pytest-codecarbon"], load, seconds, tmp_path)
    keep(f"joules of {seconds:g} s, {load} busy".replace("idle busy", "idle"), "J", 1, found)


def by_test(environment: Environment | str, load: str, seconds: float, folder: Path) -> Figure:
    """What pytest-codecarbon writes down for one test."""
    if isinstance(environment, str):
        return environment
    (folder / "test_load.py").write_text(
        f"from workloads import load\n\ndef test_load():\n    load({load!r}, {seconds})\n"
    )
    done = subprocess.run(
        [str(environment.python), "-m", "pytest", "-q", "--carbon", f"--carbon-dir={folder}"],
        cwd=folder,
        env=quiet_environment(folder, PYTHONPATH=str(HERE)),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        return last_line(done.stdout + done.stderr)
    with (folder / "emissions.csv").open() as file:
        return sum(float(line["energy_consumed"]) for line in csv.DictReader(file)) * 3.6e6


@pytest.mark.parametrize(
    ("name", "packages", "dram", "what"),
    [
        ("one package", 1, False, "error"),
        ("two packages with dram", 2, True, "error"),
        ("one package, wrapping", 1, False, "wrapped"),
    ],
)
def test_known_trace(asking, keep, seconds, tmp_path, name, packages, dram, what) -> None:
    length = min(seconds, TRACE_S)
    trees = {
        tool: make_tree(tmp_path / f"{tool.name}-tree", packages=packages, dram=dram)
        for tool in METERS
    }
    keep(f"error on a known trace, {name}", "%", 1, asking.all_at_once(what, length, trees.get))
