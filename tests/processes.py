"""What tests ask of processes."""

from __future__ import annotations

import re
from pathlib import Path


def peak_bytes() -> int:
    """The most memory that this process has held since its program began.

    `ru_maxrss` of a started process is at least what its parent held when it started it, which in
    a test run may be a lot; VmHWM begins anew with the program (proc_pid_status(5)).
    """
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])
