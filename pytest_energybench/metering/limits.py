"""How much of the processor this process may use: fewer cores than there are, or a part of them.

A run under a quota takes longer for the same work, so its figures aren't those of a run without.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.base.system import logical_cpus

ROOT = Path("/")


def allowed_cpus() -> int | None:
    """Logical CPUs that this process may run on (`taskset`, cpusets); None if all of them."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = len(os.sched_getaffinity(0))
    return allowed if allowed < logical_cpus() else None


def cpu_quota(root: Path = ROOT) -> float | None:
    """CPU seconds a second that its control groups allow; None if they set no limit.

    Each group above limits those inside it, so the smallest counts: `cpu.max` (cgroup v2),
    `cpu.cfs_quota_us` and `cpu.cfs_period_us` (v1), both in microseconds.

    Args:
        root: where `proc` and `sys` are.
    """
    return min(_quotas(root), default=None)


def _quotas(root: Path) -> Iterator[float]:
    for folder in _groups(root):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            try:
                words = b" ".join(read_plain(folder / name) for name in names).split()
                quota_us, period_us = map(int, words)
            except (OSError, ValueError):  # no such file, or `max`
                continue
            if quota_us > 0 and period_us > 0:
                yield quota_us / period_us


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's groups and all above them, as far as they are shown here; a
    container shows its own as the uppermost."""
    mounted = root / "sys/fs/cgroup"
    try:
        lines = read_plain(root / "proc/self/cgroup").decode(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        for top in dict.fromkeys((mounted / controllers, mounted / "cpu", mounted)):
            group = PurePosixPath(path.lstrip("/"))
            for inner in (group, *group.parents):
                if ".." not in inner.parts:
                    yield top / inner
