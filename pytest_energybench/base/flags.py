"""The meaning of windows' flags, and which of them spoil a figure.

A flag is a line of text, for people and for the run file. Its beginning says what it is: whoever
raises a flag begins it with a name from here, and a gate knows it by that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

BUSY = "machine busy"
SHORT = "too short"

BACKGROUND_LOAD = "background load"
SHARED = "cpu and memory shared"
NOT_EXCLUSIVE = "not exclusive"
SUSPENDED = "the machine was suspended"
THROTTLED = "throttled"
TRACED = "traced by"
CHANGED = "machine changed"
TOO_SHORT = "too short for this"
INSIDE_ANOTHER = "inside a window of the process that started this one"
OVERLAPS = "overlaps window"
WITHOUT = "without"
DISAGREES = "counter and sampled power disagree"
NOT_LOOKED_AT = "power was not looked at"
INSIDE_NAMESAKE = "inside another window of its name"
ACROSS_NAMESAKE = "overlaps another window of its name"
"""Said of a window whose joules are those of another one, too, in whole or in part."""
INSIDE_CALL = "inside a measured call, which may have been repeated"
"""Said of a window whose joules are of no one round."""

ENDED_EARLY = "it ended at an assertion that was to fail and waited for the last round"
SKIPPED = "its budget was not judged: the test skipped itself; a `skipif` mark skips it beforehand"
SKIPPED_BY_FIXTURE = "its budget was not judged: a fixture skipped the test"
"""Said of a case, not of a window."""
NOT_HELD = frozenset((SKIPPED, SKIPPED_BY_FIXTURE))
"""Flags of an execution whose limits were not judged; a later one may have been."""

BROKEN_OFF = "an attempt that broke off before its end adds no round"
LAST_BROKE_OFF = "the last attempt broke off before its end and adds no round"
"""Said of a case: its rounds are not all that were begun."""

DECIDING = frozenset((ENDED_EARLY, BROKEN_OFF, LAST_BROKE_OFF)) | NOT_HELD
"""Flags by which it is known which rounds count and what was judged: a list that is cut short keeps
them."""

MEANINGS: Mapping[str, str | None] = {
    BACKGROUND_LOAD: BUSY,
    SHARED: BUSY,
    NOT_EXCLUSIVE: BUSY,
    SUSPENDED: BUSY,
    THROTTLED: BUSY,
    TRACED: BUSY,
    CHANGED: BUSY,
    TOO_SHORT: SHORT,
    INSIDE_ANOTHER: None,
    OVERLAPS: None,
    WITHOUT: None,
    DISAGREES: None,
    NOT_LOOKED_AT: None,
}
"""Beginning of a flag -> why a round that has it decides nothing; None if it decides all the
same."""

_BEGINNING = re.compile(rf"(?:\S+/)?(?:\S+: )?({'|'.join(map(re.escape, MEANINGS))})\b")
"""`host/` goes before on several hosts, `gpu:0: ` where a flag is of one domain."""

_LEFT_OUT = re.compile(rf"(?P<host>\S+/)?{WITHOUT} (?P<domain>.+?), which may be missing")


def beginning(flag: str) -> str | None:
    """The key of `MEANINGS` that it begins with; None for a flag that no meter of ours raises."""
    found = _BEGINNING.match(flag)
    return found and found.group(1)


def spoils(flag: str) -> str | None:
    """Why a round with this flag decides nothing: `machine busy`, `too short` or None."""
    begun = beginning(flag)
    return None if begun is None else MEANINGS[begun]


def left_out(flag: str) -> str | None:
    """The domain that a window went without, where the flag says so."""
    found = _LEFT_OUT.match(flag)
    return found and (found["host"] or "") + found["domain"]


def partly_without(domains: Collection[str], flags: Iterable[str]) -> list[str]:
    """Those of a sum's domains that windows behind it went without: it is a sum of unlike parts."""
    missing = map(left_out, flags)
    return sorted({name for name in missing if name is not None and name in domains})
