"""On a system without /proc, fork and flock it still meters, and says what is missing."""

from __future__ import annotations

import subprocess
import sys

ELSEWHERE = """
import os, sys
import psutil  # looks at the real system
sys.platform = "win32"
sys.modules["fcntl"] = sys.modules["resource"] = None
for name in ("register_at_fork", "pread", "pwrite", "waitid", "fork", "O_NOFOLLOW", "fchmod"):
    delattr(os, name)

from pytest_energybench.metering import measure, default_meter
with measure("work") as window:
    sum(range(3_000_000))
assert window.total_j > 0, window
assert window.energy_j["cpu"] > 0, window.energy_j
assert set(window.provenance.values()) == {"estimated"}
print(*default_meter().problems, sep="\\n")
print(*window.flags, sep="\\n")
"""


def test_it_meters_by_estimates_and_says_so() -> None:
    run = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True)
    assert run.stderr == ""
    assert "only Linux offers RAPL counters" in run.stdout
    assert "no flock on this system" in run.stdout
    assert "not exclusive" in run.stdout
