"""Why a test that was sent to a host has no outcome."""

from __future__ import annotations

import signal

from pytest_energybench.parallel.ray.task import TaskResult
from pytest_energybench.parallel.ray.worker_log import Account

_LINES = 20


def why_missing(nodeid: str, answer: TaskResult, account: Account, where: str) -> str:
    """What happened, in one line; then the end of what pytest printed.

    Args:
        where: ` on host 1`, or nothing.
    """
    if answer.trouble:
        return f"did not run{where}: {answer.trouble}"
    printed = answer.printed.strip().splitlines()[-_LINES:]
    if nodeid == account.in_flight:
        first = f"pytest{where} {_end(answer.status)} while this test ran"
    elif account.in_flight is not None:
        first = f"did not run: pytest{where} {_end(answer.status)} during {account.in_flight}"
    else:
        first = f"did not run: pytest{where} {_end(answer.status)} without it"
    return "\n".join([first, *printed])


def _end(status: int | None) -> str:
    if status is not None and status < 0:
        return f"was ended by {_signal(-status)}"
    return f"ended with status {status}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
