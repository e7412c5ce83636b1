"""Killed at any instant, a run is gone on with: at most the cases in flight are lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pytest_energybench.results.journal import has_begun, read_journal
from pytest_energybench.results.storage import is_good
from tests.session.suites import GROUPS

SUITE = (
    GROUPS
    + """
CASES = [case(group, method) for group in "ABC" for method in ("pruned", "plain", "slow")]

@pytest.mark.parametrize(("group", "method"), CASES)
def test_grouped(energy, work, group, method):
    with energy.measure():
        work({"plain": 10.0, "pruned": 5.0, "slow": 11.0}[method])
    energy.assert_below_baseline(margin="20 %" if group != "C" else 0.0)

@pytest.mark.parametrize("number", range(6))
def test_alone(energy, work, number):
    energy(work, number + 1.0)

@pytest.mark.energy_budget(max="1 kJ")
def test_whole(work):
    work(1.0)
"""
)
HOOKS = '''
import os

def note(file, nodeid):
    """A line that is in the file as soon as this returns."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, nodeid.encode() + b"\\n")
    os.close(descriptor)

def pytest_runtest_call(item):
    note("ran", item.nodeid)

@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish(nodeid):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        note("finished", nodeid)
'''
MODES = {"n0": (), "n2": ("-p", "xdist.plugin", "-n2")}
FAILS = "test_it.py::test_grouped[C-slow]"


def lines(file: str) -> Counter[str]:
    return Counter(Path(file).read_text().splitlines() if Path(file).exists() else [])


def clear() -> None:
    for file in ("ran", "finished"):
        Path(file).unlink(missing_ok=True)


def command(mode: str, rounds: int, *args: str) -> list[str]:
    given = ("--energy-report", f"--energy-rounds={rounds}", "-p", "no:cacheprovider")
    return [sys.executable, "-m", "pytest", "-q", *MODES[mode], *given, *args]


@pytest.fixture
def suite(suite: pytest.Pytester) -> pytest.Pytester:
    conftest = Path("conftest.py")
    conftest.write_text(conftest.read_text() + HOOKS)
    suite.makepyfile(test_it=SUITE)
    return suite


def kill_and_go_on(mode: str, rounds: int, seed: int, whole_s: float) -> None:
    """One run that is killed at a random instant, and one that goes on with it.

    Args:
        whole_s: how long an unbroken run takes about; figures don't depend on it.
    """
    chance = random.Random(f"{mode} {rounds} {seed}")
    clear()
    journal, written = Path("reports/energy.journal"), Path("reports/energy.json")
    written.unlink(missing_ok=True)
    process = subprocess.Popen(
        command(mode, rounds),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(whole_s * chance.uniform(0.2, 1.0))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode in (1, -signal.SIGKILL)
    there = read_journal(journal).run.cases if has_begun(journal) else []
    kept = {case.nodeid for case in there}
    if written.exists() and not journal.exists():
        kept = {case["nodeid"] for case in json.loads(written.read_text())["cases"]}
    finished = {nodeid for nodeid, times in lines("finished").items() if times == rounds}
    assert finished <= kept
    good = {case.nodeid for case in there if is_good(case)}

    clear()
    again = chance.choice(list(MODES))
    done = subprocess.run(
        command(again, rounds, "--energy-resume"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    run = json.loads(Path("reports/energy.json").read_text())
    cases = {case["nodeid"]: case for case in run["cases"]}
    assert list(cases) == ALL
    assert {len(case["rounds"]) for case in cases.values()} == {rounds}
    assert {nodeid for nodeid, case in cases.items() if case["outcome"] != "passed"} == {FAILS}
    assert set(lines("ran")) == set(ALL) - good
    assert Path("reports/energy.html").read_text().rstrip().endswith("</html>")
    assert sorted(Path("reports").iterdir()) == [
        Path("reports/energy.html"),
        Path("reports/energy.json"),
    ]


ALL = [
    *(
        f"test_it.py::test_grouped[{group}-{method}]"
        for group in "ABC"
        for method in ("plain", "pruned", "slow")
    ),
    *(f"test_it.py::test_alone[{number}]" for number in range(6)),
    "test_it.py::test_whole",
]


def whole_run_s(mode: str, rounds: int) -> float:
    began = time.monotonic()
    done = subprocess.run(command(mode, rounds), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return time.monotonic() - began


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize(
    ("mode", "rounds"),
    [
        ("n0", 1),
        ("n2", 3),
        pytest.param("n0", 3, marks=pytest.mark.slow),
        pytest.param("n2", 1, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_loses_the_cases_in_flight_only(mode: str, rounds: int) -> None:
    kill_and_go_on(mode, rounds, 0, whole_run_s(mode, rounds))


@pytest.mark.exhaustive
@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_instants(mode: str, rounds: int) -> None:
    whole_s = whole_run_s(mode, rounds)
    for seed in range(1, 101):
        kill_and_go_on(mode, rounds, seed, whole_s)
