"""How a command ends that is broken off: in order, and with the status that shells give."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

BROKEN_OFF = 128
"""To which the signal's number is added, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""

UNREAD = BROKEN_OFF + 13
"""As if ended by SIGPIPE, which Windows doesn't have: nobody has read what was to be said."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within, SIGTERM (a CI job that is cancelled) and SIGHUP (a terminal that is closed) end all
    in order, as Ctrl-C does. A signal that is ignored (`nohup`) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: object) -> NoReturn:
        raise KeyboardInterrupt(number)

    names = ("SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = {number: old for number, old in before.items() if old is signal.SIG_DFL}
    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, old in heard.items():
            signal.signal(number, old)


def status_of(interrupt: KeyboardInterrupt) -> int:
    """The exit status after it."""
    number = next(iter(interrupt.args), None)
    return BROKEN_OFF + (number if isinstance(number, int) else signal.SIGINT)


def let_go_of_output() -> None:
    """Write what is left, or throw it away where that can't be: Python would try again at its end,
    and say so in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
