"""Objects that start afresh in a forked child."""

from __future__ import annotations

import gc
import os
import weakref

from pytest_energybench.base import system
from pytest_energybench.base.system import tell_after_fork


class Told:
    def __init__(self) -> None:
        self.forked = False
        tell_after_fork(self)

    def after_fork(self) -> None:
        self.forked = True


def test_a_child_is_told_and_the_parent_is_not() -> None:
    told = Told()
    pid = os.fork()
    if pid == 0:
        os._exit(3 if told.forked else 4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert not told.forked


def test_nothing_is_kept_alive_for_it() -> None:
    told = Told()
    known = weakref.ref(told)
    assert told in system._objects
    del told
    gc.collect()
    assert known() is None
