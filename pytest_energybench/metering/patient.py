"""A call that may never come back, waited for as long as one is willing to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pytest_energybench.metering.locks import Patience

T = TypeVar("T")

_hanging: dict[str, threading.Thread] = {}


def finished(key: str, what: str, call: Callable[[], T], patience: Patience) -> T:
    """What `call` returns; it runs in another thread, which is abandoned if it hangs.

    Args:
        key: names the call: while one hangs, no other of that name is begun.
        what: doesn't answer, for people.
        patience: the limit, and who is told of the waiting after `quiet_s`.

    Raises:
        TimeoutError: it took longer than the limit, or did so before and still does.
        BaseException: what the call raised.
    """
    before = _hanging.get(key)
    if before is not None and before.is_alive():
        raise TimeoutError(f"{what} still doesn't answer")
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome[:] = [call(), None]
        except BaseException as error:  # handed to who waits
            outcome[:] = [None, error]

    thread = threading.Thread(target=run, name=f"energybench {key}", daemon=True)
    thread.start()
    thread.join(min(patience.quiet_s, patience.limit_s))
    if thread.is_alive() and patience.quiet_s < patience.limit_s:
        patience.tell(
            f"energybench: waiting for {what} to answer, at most {patience.limit_s:.3g} s"
        )
        thread.join(patience.limit_s - patience.quiet_s)
    if thread.is_alive():
        _hanging[key] = thread
        raise TimeoutError(f"{what} didn't answer within {patience.limit_s:.3g} s")
    value, error = outcome
    if error is not None:
        raise error
    return cast(T, value)
