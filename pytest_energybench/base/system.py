"""What systems differ in: asked here once, by name.

A feature is tried where it is used (`hasattr(os, "fchmod")`). What can't be tried, because it is
there and means something else, goes by the system's name.

A forked child inherits this process's locks in whatever state they are, its clocks' origins and its
open lock files, but none of its threads. Registered objects are reset before anything else runs
there.
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import Protocol

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


def signal_name(number: int) -> str:
    """`SIGTERM`, or `signal 99` of one that Python doesn't know."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Forgetful(Protocol):
    """An object that starts afresh in a forked child."""

    def after_fork(self) -> None:
        """Called in the child, by its only thread."""


_objects: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def tell_after_fork(who: Forgetful) -> None:
    """Have `who.after_fork()` called in every child forked from now on, while `who` lives."""
    _objects.add(who)


def _tell_all() -> None:
    for who in list(_objects):
        who.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_tell_all)
