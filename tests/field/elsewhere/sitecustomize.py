"""Python starts as if on another system: what that lacks is taken away, and what it forbids fails.

`ELSEWHERE` names the system. Whatever is not of this project is loaded before and stays as it is:
it looks at the system that is really there.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from types import ModuleType
from typing import Any

import jinja2  # noqa: F401
import msgspec  # noqa: F401
import platformdirs  # noqa: F401
import psutil  # noqa: F401
import pytest  # noqa: F401
import tabulate  # noqa: F401
from windows import library, locking

SYSTEM = os.environ.get("ELSEWHERE", "")
PACKAGE = f"{os.sep}pytest_energybench{os.sep}"
BINARY = 1 << 30
WITHOUT = {
    "win32": (
        *("register_at_fork", "fork", "forkpty", "waitid", "pread", "pwrite", "fchmod", "killpg"),
        *("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY"),
        *("sched_getaffinity", "sysconf", "getloadavg", "setsid", "getpgid", "pidfd_open"),
    ),
    "darwin": ("waitid", "sched_getaffinity", "pidfd_open"),
}


def is_ours(depth: int = 2) -> bool:
    """Whether the caller's caller is of this package, also by way of the standard library."""
    frame = sys._getframe(depth)
    for _ in range(2):
        if PACKAGE in frame.f_code.co_filename:
            return True
        if frame.f_back is None or "pathlib" not in frame.f_code.co_filename:
            return False
        frame = frame.f_back
    return False


def is_open(path: Any) -> bool:
    """Whether this process has a file open."""
    try:
        there = os.stat(path)
        with os.scandir("/proc/self/fd") as entries:
            return any(os.path.samestat(there, entry.stat()) for entry in entries)
    except OSError:
        return False


def refuse_open_files() -> None:
    """As Windows does: no open file is renamed or deleted, and renaming overwrites nothing."""

    def guarded(real: Any, *, overwrites: bool) -> Any:
        def change(path: Any, target: Any = None, **more: Any) -> None:
            if is_ours():
                for each in (path, target):
                    if each is not None and is_open(each):
                        raise PermissionError(13, "used by another process", os.fspath(each))
                if target is not None and not overwrites and os.path.lexists(target):
                    raise FileExistsError(17, "exists already", os.fspath(target))
            real(path, **more) if target is None else real(path, target, **more)

        return change

    for name in ("rename", "replace", "unlink", "remove"):
        setattr(os, name, guarded(getattr(os, name), overwrites=name == "replace"))


def open_as_on_windows(real: Any = os.open) -> None:
    """No folder is opened, and what is not opened as binary gets other line ends."""

    def opened(path: Any, flags: int, *more: Any, **others: Any) -> int:
        if is_ours():
            assert flags & BINARY, f"{path} is not opened as binary"
            if os.path.isdir(path):
                raise PermissionError(13, "a folder", os.fspath(path))
        return real(path, flags & ~BINARY, *more, **others)

    os.O_BINARY = BINARY
    os.open = opened


def keep_out_of_proc() -> None:
    """There is no `/proc` and no `/sys`, and psutil finds out in its own way."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        path = arguments[0] if event in ("open", "os.listdir", "os.scandir") else None
        if isinstance(path, str) and path.startswith(("/proc", "/sys")) and is_ours():
            raise FileNotFoundError(2, "no such file", path)

    sys.addaudithook(hook)


def play(system: str) -> None:
    for name in WITHOUT[system]:
        delattr(os, name)
    keep_out_of_proc()
    if system == "darwin":
        time.CLOCK_UPTIME_RAW, time.CLOCK_MONOTONIC = time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME
        del time.CLOCK_BOOTTIME
    else:
        sys.modules["fcntl"] = sys.modules["resource"] = None
        for name in [each for each in vars(time) if each.startswith(("CLOCK_", "clock_get"))]:
            delattr(time, name)
        sys.modules["msvcrt"] = ModuleType("msvcrt")
        vars(sys.modules["msvcrt"]).update(locking=locking, LK_NBLCK=2, LK_UNLCK=0)
        ctypes.WinDLL = library
        refuse_open_files()
        open_as_on_windows()
    real, sys.platform = sys.platform, system
    from pytest_energybench.base import system as _asked_once  # noqa: F401
    from pytest_energybench.metering import cpu_identity  # asks for the system's name, too

    sys.platform = real
    cpu_identity._sysctl = {"machdep.cpu.brand_string": "Apple M2"}.get
    os.environ["PROCESSOR_IDENTIFIER"] = "Intel64 Family 6 Model 85 Stepping 7, GenuineIntel"


if SYSTEM:
    play(SYSTEM)
