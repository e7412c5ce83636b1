"""What a forked child must forget.

A child inherits this process's locks in whatever state they are, its clocks' origins and its open
lock files, but none of its threads. Registered objects are reset before anything else runs there.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


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
