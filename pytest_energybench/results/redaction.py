"""What must not leave this machine in a run file: the user's folder and name, and passwords."""

from __future__ import annotations

import getpass
import os
import re
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import msgspec

from pytest_energybench.results.model import Case, Run

T = TypeVar("T", Case, Run)

IDENTITY = frozenset({"nodeid", "name", "group"})
"""Fields of a case that say which test it is: changed, they would match no other run's. They stay
as they are, as pytest itself prints them."""

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@'\"]+@")
_SECRET = re.compile(
    r"(?P<figure>\d [a-zA-Zµ]?(?:J|Wh)/[\w-]+)"
    r"|(?P<key>(?i:token|password|passwd|secret|api[-_]?key|access[-_]?key)['\"]?\s*[=:]\s*)"
    r"(?:['\"][^'\"]*['\"]|[^\s'\"&,;)]+)"
)
"""A figure per functional unit is none, be it `400 mJ/token: +8.4 %`."""

_BEARER = re.compile(r"(?i)(\bbearer\s+)\S+")


def without_private(value: T) -> T:
    """A case or a run whose texts hold neither the user's folder nor what looks like a secret.

    Texts are flags, errors, metrics, parameters, settings and notes: what tests, meters and the
    system said, in whose messages a path or an address with a password is easily part.
    """
    plain = msgspec.to_builtins(value)
    cleaned = _cleaned(plain)
    return value if cleaned == plain else msgspec.convert(cleaned, type(value))


def private_text(text: str) -> str:
    """A text with `~` for the user's folder, and `***` for what looks like a secret."""
    for folder in _home_folders():
        text = folder.sub("~", text)
    if "://" in text:
        text = _CREDENTIALS.sub("", text)
    return _BEARER.sub(r"\1***", _SECRET.sub(_hidden, text))


def _hidden(found: re.Match[str]) -> str:
    return found["figure"] or f"{found['key']}***"


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return private_text(value)
    if isinstance(value, dict):
        kept = IDENTITY if "nodeid" in value else ()
        return {key: child if key in kept else _cleaned(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(child) for child in value]
    return value


@cache
def _home_folders() -> tuple[re.Pattern[str], ...]:
    """The user's folder as it is called and as it really lies, and the name in pytest's own."""
    home = os.path.expanduser("~")
    names = dict.fromkeys((home, os.path.realpath(home)))
    folders = [re.escape(name) for name in names if len(name) > 1 and os.path.isabs(name)]
    patterns = [rf"(?<![\w.-]){folder}" for folder in folders]
    # A user that the system doesn't know, as in containers; on Windows before Python 3.13 without
    # USERNAME, as under tox, the module that is asked next is missing.
    with suppress(OSError, KeyError, ImportError):
        patterns.append(rf"(?<=pytest-of-){re.escape(getpass.getuser())}")
    return tuple(re.compile(rf"{pattern}(?![^/\s'\":,;)])") for pattern in patterns)
