"""CPU seconds of this process and of all that it starts, ended or not, as Windows adds them up.

Windows tells nobody what a process used once it has ended. A job object does: its processes' times
stay in its sum, and what a process of the job starts is in the job (Win32 API, "Job Objects").
Written from that documentation; not yet seen on Windows.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from pytest_energybench.metering.errors import Problem

BASIC_ACCOUNTING = 1
"""JobObjectBasicAccountingInformation of QueryInformationJobObject."""
TICK_S = 1e-7


class Accounting(ctypes.Structure):
    """JOBOBJECT_BASIC_ACCOUNTING_INFORMATION; times in ticks of 100 ns."""

    _fields_ = (
        ("user", ctypes.c_int64),
        ("kernel", ctypes.c_int64),
        ("user_of_period", ctypes.c_int64),
        ("kernel_of_period", ctypes.c_int64),
        ("page_faults", ctypes.c_uint32),
        ("processes", ctypes.c_uint32),
        ("active", ctypes.c_uint32),
        ("terminated", ctypes.c_uint32),
    )


@cache
def job_time(kernel32: Any = None) -> Callable[[], float] | Problem:
    """Put this process into a job of its own; what gives the job's CPU seconds so far.

    Args:
        kernel32: Windows' library; loaded by default.

    Returns:
        The reader, which raises OSError where Windows doesn't answer; where it refuses the job,
        why, and what isn't counted then.
    """
    if kernel32 is None:
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
        kernel32.CreateJobObjectW.restype = kernel32.GetCurrentProcess.restype = ctypes.c_void_p
    job = kernel32.CreateJobObjectW(None, None)
    me = ctypes.c_void_p(kernel32.GetCurrentProcess())
    if not job or not kernel32.AssignProcessToJobObject(ctypes.c_void_p(job), me):
        why = "Windows refuses a job object, so processes that end within a window aren't counted"
        return Problem("CPU time", why)

    def seconds() -> float:
        sums = Accounting()
        size = ctypes.sizeof(sums)
        answer = ctypes.byref(sums)
        if not kernel32.QueryInformationJobObject(
            ctypes.c_void_p(job), BASIC_ACCOUNTING, answer, size, None
        ):
            raise OSError("Windows does not say what the processes of this job used")
        return float(sums.user + sums.kernel) * TICK_S

    return seconds
