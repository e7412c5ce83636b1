"""The process's own meter, for windows that nobody has handed one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from pytest_energybench.metering.custom import as_source
from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.load_monitor import LoadMonitor
from pytest_energybench.metering.locks import MachineLock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Source
from pytest_energybench.metering.window import Window

__tracebackhide__ = True  # a user's mistake is shown at the user's line

_default: Meter | None = None
_default_mutex = threading.Lock()


def default_meter() -> Meter:
    """The process's own meter, discovered at first use."""
    global _default
    with _default_mutex:
        if _default is None:
            _default = discover(os.environ.get("ENERGYBENCH_METERS"))
        return _default


def _forget_default() -> None:
    """A forked child finds its own meter: the parent's open windows aren't the child's."""
    global _default, _default_mutex
    _default = None
    _default_mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_default)


def measure(
    name: str = "", *, meters: Sequence[Source | Callable[[], float]] | None = None
) -> Window:
    """Joules of a `with` block, outside pytest as well.

    Args:
        name: a label for people.
        meters: read these instead of what the machine offers: sources, or plain functions that
            return joules so far (the function's name becomes the domain).

    Returns:
        A window to be entered with `with`.

    Raises:
        MeterError: no source can be read, or two of `meters` claim one domain.
    """
    if meters is None:
        return default_meter().measure(name)
    sources = [as_source(meter) for meter in meters]
    return Meter(sources, exclusion=MachineLock(), load=LoadMonitor()).measure(name)
