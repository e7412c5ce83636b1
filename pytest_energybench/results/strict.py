"""JSON from elsewhere, read so that nothing doubtful gets through and every error has a place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pytest_energybench.exceptions import EnergyBenchError

T = TypeVar("T")


class ContentError(EnergyBenchError, ValueError):
    """What is wrong with a piece of JSON, and where; whoever knows the file adds its name."""


def decode(content: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """A typed value from JSON text.

    Fields that the type doesn't know are skipped. NaN, infinities, numbers out of range, wrong
    types and values outside their constraints are refused, and so are keys that appear twice in
    one object, which JSON parsers otherwise settle silently, each in its own way.

    Raises:
        ContentError: the text isn't such a value; says what and where (`$.cases[3].total_j`).
    """
    try:
        value = decoder.decode(content)
        refuse_duplicate_keys(content)
    except ContentError:
        raise
    except RecursionError:
        raise ContentError("is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ContentError(likely_cause(content) or _plain(error)) from error
    return value


_BEGINNINGS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"\xef\xbb\xbf", "begins with a byte order mark: save it as UTF-8 without one"),
    (b"\xff\xfe", "is UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16 text: save it as UTF-8"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it first"),
    (b"PK\x03\x04", "is a zip archive: unpack it first"),
    (b"<", "is an HTML or XML page, not the file itself"),
)
"""How files begin that tools have put in place of the one that was meant."""


def likely_cause(content: bytes) -> str | None:
    """What has happened to a text that can't be read, where it is one of the usual things."""
    if not content.strip():
        return "is empty"
    if content.startswith(b"<<<<<<< ") or b"\n<<<<<<< " in content:
        return "holds a merge conflict: keep one side, e.g. `git checkout --theirs FILE`"
    return next((what for start, what in _BEGINNINGS if content.startswith(start)), None)


def refuse_duplicate_keys(content: bytes) -> None:
    """Raise `ContentError` where an object of some JSON text holds a key twice."""
    try:
        json.loads(content, object_pairs_hook=_no_duplicates)
    except ContentError:
        place = _find(json.loads(content, object_pairs_hook=_marked), "$")
        raise ContentError(f"a key appears twice in one object - at `{place}`") from None


@dataclass(frozen=True)
class _Duplicate:
    key: str


def _no_duplicates(pairs: list[tuple[str, Any]]) -> None:
    """Looks at the keys of one object and keeps nothing, so that a large file costs no memory."""
    if len(dict(pairs)) != len(pairs):
        raise ContentError


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = _Duplicate(key) if key in found else value
    return found


def _find(value: Any, place: str) -> str | None:
    if isinstance(value, _Duplicate):
        return place
    children = (
        ((f"{place}.{key}", child) for key, child in value.items())
        if isinstance(value, dict)
        else ((f"{place}[{index}]", child) for index, child in enumerate(value))
        if isinstance(value, list)
        else ()
    )
    return next((found for name, child in children if (found := _find(child, name))), None)


def _plain(error: Exception) -> str:
    text = str(error)
    if isinstance(error, UnicodeError):
        return "is not UTF-8 text"
    if text == "Input data was truncated":
        return "is cut short: the JSON text ends before it is complete"
    return text
