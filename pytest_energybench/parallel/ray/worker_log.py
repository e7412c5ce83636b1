"""Reads what a unit's pytest reported of its tests, and why of some it reported nothing."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any

from pytest_energybench.base.system import signal_name
from pytest_energybench.parallel.ray.task import TaskResult

LAST_LINES = 20
"""Of what pytest printed, shown for a test without an outcome."""


@dataclass(slots=True)
class Executed:
    """One run of one test, with its reports in pytest's serial form."""

    nodeid: str
    reports: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class WorkerLog:
    """What all tests of a unit came to.

    Attributes:
        finished: tests that ran to their end, in order.
        warnings: what tests warned of, as keyword arguments of `pytest_warning_recorded`.
        in_flight: the test during which the process ended; None if it ended between two.
    """

    finished: list[Executed] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    in_flight: str | None = None


def read_log(content: bytes) -> WorkerLog:
    """What `worker.py` wrote; a last line that was cut short is left out."""
    log = WorkerLog()
    current: Executed | None = None
    for line in content.split(b"\n")[:-1]:
        ((kind, value),) = json.loads(line).items()
        if kind == "start":
            current = Executed(value)
        elif kind == "report":
            current = current or Executed(value["nodeid"])
            current.reports.append(_as_it_was(value))
        elif kind == "warning":
            log.warnings.append(_warning(value))
        elif current is not None:
            log.finished.append(current)
            current = None
    if current is not None and any(report["when"] == "teardown" for report in current.reports):
        log.finished.append(current)
    elif current is not None:
        log.in_flight = current.nodeid
    return log


def _warning(plain: dict[str, Any]) -> dict[str, Any]:
    """Under its own category where this process knows it already, else as a plain warning."""
    module, name = plain["category"]
    category = getattr(sys.modules.get(module), name, UserWarning)
    if not (isinstance(category, type) and issubclass(category, Warning)):
        category = UserWarning
    message = warnings.WarningMessage(
        message=plain["text"], category=category, filename=plain["filename"], lineno=plain["lineno"]
    )
    location = plain["location"]
    return {
        "warning_message": message,
        "when": "runtest",
        "nodeid": plain["nodeid"],
        "location": location and tuple(location),
    }


def _as_it_was(report: dict[str, Any]) -> dict[str, Any]:
    """With the tuples that JSON has turned into lists."""
    for name in ("location", "longrepr"):  # the latter of a skipped test: file, line, reason
        if isinstance(report.get(name), list):
            report[name] = tuple(report[name])
    for name in ("sections", "user_properties"):
        report[name] = [tuple(each) for each in report.get(name, ())]
    return report


def why_missing(nodeid: str, result: TaskResult, log: WorkerLog, where: str) -> str:
    """What happened, in one line; then the end of what pytest printed.

    Args:
        where: ` on host 1`, or nothing.
    """
    if result.problem:
        return f"did not run{where}: {result.problem}"
    printed = result.printed.strip().splitlines()[-LAST_LINES:]
    if nodeid == log.in_flight:
        first = f"pytest{where} {_end(result.status)} while this test ran"
    elif log.in_flight is not None:
        first = f"did not run: pytest{where} {_end(result.status)} during {log.in_flight}"
    else:
        first = f"did not run: pytest{where} {_end(result.status)} without it"
    return "\n".join([first, *printed])


def _end(status: int | None) -> str:
    if status is not None and status < 0:
        return f"was ended by {signal_name(-status)}"
    return f"ended with status {status}"
