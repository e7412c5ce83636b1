"""Processes that begin inside a window: theirs are the window's joules, counted once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from pytest_energybench.metering.fake import FakeClock, FakeSource
from pytest_energybench.metering.locks import MachineLock
from pytest_energybench.metering.meter import Meter
from tests.faults.conftest import Cases

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and /proc")

CHILDREN = """
import multiprocessing
import os
import subprocess
import sys
import time

import pytest

BURN = 0.15

def burn(seconds=BURN):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def by_fork():
    pid = os.fork()
    if pid == 0:
        burn()
        os._exit(0)
    os.waitpid(pid, 0)

def by_started_method(method):
    context = multiprocessing.get_context(method)
    child = context.Process(target=burn)
    child.start()
    child.join()
    assert child.exitcode == 0

def a_grandchild():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', sys.argv[1]])"
    loop = f"import time\\nwhile time.process_time() < {BURN}: pass"
    subprocess.run([sys.executable, "-S", "-c", code, loop], check=True)

WAYS = {
    "fork": by_fork,
    "multiprocessing fork": lambda: by_started_method("fork"),
    "spawn": lambda: by_started_method("spawn"),
    "grandchild": a_grandchild,
}

@pytest.mark.parametrize("way", WAYS)
def test_a_child(energy, way):
    with energy.measure():
        WAYS[way]()

def test_a_child_leaves_the_window_of_its_parent(energy):
    pid = None
    with energy.measure():
        pid = os.fork()
        burn(0.1)
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    with energy.measure():  # the lock is still whole
        pass
"""


@pytest.mark.slow
def test_joules_of_children_are_counted_once_however_they_were_started(
    suite: pytest.Pytester, cases: Callable[..., Cases], monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = os.cpu_count() or 1
    monkeypatch.setenv("ENERGYBENCH_CPU_WATTS", f"1e-9,{cores},{5 * cores},{10 * cores}")
    suite.makeconftest("")
    suite.makepyfile(test_children=CHILDREN)
    result = suite.runpytest_subprocess("--energy-report", "--energy-meters=estimate")
    result.assert_outcomes(passed=5)
    found = {name: case["energy_j"]["cpu"] / 10 for name, case in cases().items()}
    for way in ("fork", "multiprocessing fork", "grandchild"):
        assert 0.14 < found[f"test_a_child[{way}]"] < 0.28, found  # twice would be 0.3
    assert found["test_a_child[spawn]"] > 0.14  # and what Python's start takes
    assert 0.09 < found["test_a_child_leaves_the_window_of_its_parent"] < 0.35


def test_a_child_that_leaves_its_parents_window_holds_and_releases_nothing() -> None:
    clock = FakeClock()
    meter = Meter([FakeSource({"cpu:0": 1.0}, clock)], clock=clock, exclusion=MachineLock())
    lock = MachineLock()._machine
    window = meter.measure("parent")
    window.__enter__()
    pid = os.fork()
    if pid == 0:
        window.__exit__(None, None, None)
        untouched = (lock._exclusive, lock._shared) == (0, 0)
        with meter.measure("own"):
            pass
        os._exit(3 if untouched and (lock._exclusive, lock._shared) == (0, 0) else 4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert lock._exclusive == 1
    clock.advance(2.0)
    window.__exit__(None, None, None)
    assert window.total_j == 2.0
    assert lock._exclusive == 0
