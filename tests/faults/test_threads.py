"""Threads that go on working when their test has ended."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.faults.conftest import Cases

LEFT = """
import threading
import time

STOP = threading.Event()

def burn():
    while not STOP.is_set():
        sum(range(1000))

def test_leaves_two(energy):
    threading.Thread(target=burn, name="busy").start()
    threading.Thread(target=STOP.wait, name="idle").start()
    with energy.measure():
        time.sleep(0.05)

def test_has_no_part_in_it(energy):
    end = time.process_time() + 0.3
    with energy.measure():
        while time.process_time() < end:
            time.sleep(0.05)

def test_starts_its_own(energy):
    STOP.set()
    worker = threading.Thread(target=lambda: sum(range(10**6)), name="own")
    with energy.measure():
        worker.start()
        worker.join()

def test_when_they_have_ended(energy):
    with energy.measure():
        time.sleep(0.05)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs the clocks of threads, which Linux has")
def test_a_thread_that_works_in_anothers_test_is_told_there(
    suite: pytest.Pytester, cases: Callable[..., Cases]
) -> None:
    suite.makeconftest("")
    suite.makepyfile(test_left=LEFT)
    suite.runpytest("--energy-report", "--energy-meters=estimate").assert_outcomes(passed=4)
    told = {
        name: [flag.split(", used ")[0] for flag in case["flags"] if flag.startswith("thread")]
        for name, case in cases().items()
    }
    assert told == {
        "test_leaves_two": [],
        "test_has_no_part_in_it": [
            "thread 'busy', which test_left.py::test_leaves_two left running"
        ],
        "test_starts_its_own": [],
        "test_when_they_have_ended": [],
    }
