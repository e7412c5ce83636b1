"""What systems differ in: asked here once, by name.

A feature is tried where it is used (`hasattr(os, "fchmod")`). What can't be tried, because it is
there and means something else, goes by the system's name.
"""

from __future__ import annotations

import os
import sys

LINUX = sys.platform == "linux"
WINDOWS = sys.platform == "win32"


def open_flags(*names: str) -> int:
    """Flags for `os.open` by their names, as far as this system has them.

    Always binary: Windows' C library would write two bytes for the end of a line.
    """
    flags = 0
    for name in (*names, "O_BINARY"):
        flags |= getattr(os, name, 0)
    return flags


def logical_cpus() -> int:
    """Logical CPUs of this machine.

    `os.cpu_count` is not asked where the system can be: since Python 3.13 it shows what
    `PYTHON_CPU_COUNT` says.
    """
    try:
        return max(1, os.sysconf("SC_NPROCESSORS_ONLN"))
    except (AttributeError, ValueError, OSError):  # Windows
        return os.cpu_count() or 1
