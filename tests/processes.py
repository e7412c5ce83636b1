"""What tests ask of processes."""

from __future__ import annotations

import re
import signal
from pathlib import Path


def peak_bytes() -> int:
    """The most memory that this process has held since its program began.

    `ru_maxrss` of a started process is at least what its parent held when it started it, which in
    a test run may be a lot; VmHWM begins anew with the program (proc_pid_status(5)).
    """
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def hear_signals() -> None:
    """For `preexec_fn`: what a shell starts in the background ignores SIGINT, under `nohup` SIGHUP,
    and so does all that is started from there, the tests' processes included."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
