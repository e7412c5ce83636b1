"""Quotas and affinities under which a run isn't that of the whole machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_energybench.metering import limits
from pytest_energybench.metering.limits import allowed_cpus, cpu_quota


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A made `/proc` and `/sys`."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V1 = "4:memory:/a/b\n1:cpu,cpuacct:/a/b\n"
CASES = {
    "no group": ("", {}, None),
    "v2 without a limit": ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "v2 in a container": ("0::/\n", {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
    "v2 set above": (
        "0::/a/b\n",
        {
            "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
        },
        1.5,
    ),
    "v2 seen from outside its own": (
        "0::/../outer\n",
        {"sys/fs/cgroup/cpu.max": "200000 100000"},
        2.0,
    ),
    "v1": (
        V1,
        {
            "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "25000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
        },
        0.25,
    ),
    "v1 without a limit": (
        V1,
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "a line that is none": ("\n0::/\n", {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
    "not a number": ("0::/\n", {"sys/fs/cgroup/cpu.max": "much\n"}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_quota_counts(tmp_path: Path, case: str) -> None:
    groups, files, quota = CASES[case]
    assert cpu_quota(machine(tmp_path, groups, files)) == quota


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinities")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU can't be divided")
def test_fewer_cpus_than_there_are_is_told() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from pytest_energybench.metering.limits import allowed_cpus; print(allowed_cpus())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "1\n"


def test_all_cpus_are_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(limits, "logical_cpus", lambda: 8)
    assert allowed_cpus() is None
