"""Memory that is not there, and a kernel that kills: the case says it, the run goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.conftest import Cases

SCARCE = """
import os
import resource
import signal
import subprocess
import sys

import pytest

def test_too_much(energy, work):
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 50 * 2**20, hard))
    try:
        with energy.measure("hungry"):
            work(1.0)
            bytearray(10**9)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

def test_a_child_is_killed(energy, work):
    with energy.measure("parent"):
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
        work(1.0)
        child.send_signal(signal.SIGKILL)  # as the kernel does where memory runs out
        assert child.wait() == -signal.SIGKILL
        work(1.0)

def test_later(energy, work):
    with energy.measure():
        work(1.0)
"""


def test_a_case_without_memory_fails_with_its_joules_and_the_next_ones_run(
    suite: pytest.Pytester, cases: Callable[..., Cases]
) -> None:
    suite.makepyfile(test_scarce=SCARCE)
    result = suite.runpytest_subprocess("--energy-report")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED test_scarce.py::test_too_much - MemoryError"])
    assert [(case["outcome"], case["total_j"], case["flags"]) for case in cases().values()] == [
        ("failed", 12.0, []),
        ("passed", 24.0, []),
        ("passed", 12.0, []),
    ]


@pytest.mark.slow
def test_a_worker_that_the_kernel_kills_is_told_and_the_others_cases_are_kept(
    suite: pytest.Pytester, cases: Callable[..., Cases]
) -> None:
    suite.makepyfile(
        """
        import os, signal

        def test_killed(energy, work):
            with energy.measure():
                os.kill(os.getpid(), signal.SIGKILL)

        def test_later(energy, work):
            with energy.measure():
                work(1.0)
        """
    )
    result = suite.runpytest_subprocess("-p", "xdist", "-n", "1", "--energy-report")
    result.assert_outcomes(passed=1, failed=1)
    found = cases()
    assert found["test_later"]["total_j"] == 12.0
    assert found["test_killed"]["total_j"] is None
    (why,) = found["test_killed"]["errors"]
    assert "crashed while running" in why
