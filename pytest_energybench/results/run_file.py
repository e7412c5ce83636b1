"""The JSON run file: read strictly, written whole.

Every file whose name a user may give is read by `read_bytes`, and JSON from elsewhere by `decode`:
nothing doubtful gets through, and every error has a place.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.errors import RunFileError, WriteError, cause, named
from pytest_energybench.results.model import SCHEMA_VERSION, Case, Host, Run

MOST_BYTES = 2**30
"""Enough for a run of 10^5 cases several times over."""


def read_bytes(path: str | os.PathLike[str], *, most: int = MOST_BYTES) -> bytes:
    """A plain file's content.

    Args:
        most: bytes that it may hold.

    Raises:
        RunFileError: it is not there, no plain file, too large, or can't be read; says why.
    """
    try:
        return read_plain(path, most)
    except OSError as error:
        raise RunFileError(named(path, f"cannot be read: {cause(error)}")) from error
    except ValueError as error:  # a NUL in the path
        raise RunFileError(named(path, f"cannot be read: {error}")) from error


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
        if not _is_as_written(content, value):
            refuse_duplicate_keys(content)
    except ContentError:
        raise
    except RecursionError:
        raise ContentError("is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ContentError(likely_cause(content) or _plain(error)) from error
    return value


def _is_as_written(content: bytes, value: Any) -> bool:
    """Whether it is what would be written of the value, which has no key twice: to write it again
    takes a fifth of looking through all keys."""
    written = _ENCODER.encode(value)
    return content.startswith(written) and content[len(written) :] in (b"", b"\n")


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


_INDENTED_UP_TO = 8 * 2**20
"""Bytes of compact JSON up to which a file is indented for people (and for git)."""


class Head(msgspec.Struct):
    """The one field that says how to read the others."""

    schema_version: Any = None


_HEAD = msgspec.json.Decoder(Head)
_RUN = msgspec.json.Decoder(Run)
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {
    Run: _RUN,
    Case: msgspec.json.Decoder(Case),
    Host: msgspec.json.Decoder(Host),
}
_ENCODER = msgspec.json.Encoder()


def read_run(path: str | os.PathLike[str]) -> Run:
    """The run in a file.

    Unknown fields are skipped, so that a file of a later minor version can be read.

    Raises:
        RunFileError: the file can't be read, is no JSON, is of another major version, or holds
            something that no run holds; names the file and the field.
    """
    try:
        return parse_run(read_bytes(path))
    except ContentError as error:
        raise RunFileError(named(path, str(error))) from error


def parse_run(content: bytes) -> Run:
    """The run in a run file's content.

    Raises:
        ContentError: it holds none; says what and where.
    """
    check_version(decode_head(content))
    run = decode(content, _RUN)
    seen: set[str] = set()
    for index, case in enumerate(run.cases):
        if case.nodeid in seen:
            raise ContentError(f"a case is there twice - at `$.cases[{index}].nodeid`")
        seen.add(case.nodeid)
    return run


def decode_head(content: bytes) -> Head:
    """The version field alone; whatever else is wrong, the version is told first."""
    try:
        return _HEAD.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return decode(content, _HEAD)


def check_version(head: Head) -> None:
    """Raise `ContentError` for any schema version but this one."""
    version = head.schema_version
    if version is None:
        raise ContentError("is no run of energybench: it has no `$.schema_version`")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise ContentError(
            f"is of schema version {version!r}, and this energybench reads version "
            f"{SCHEMA_VERSION} - at `$.schema_version`"
        )


def write_run(run: Run, path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
    """Write a run to a file, whole or not at all; creates the folder.

    Nothing is written that `read_run` would refuse.

    Raises:
        WriteError: the file can't be written (what was there stays), or the run holds a figure
            that no file may hold, e.g. NaN.
    """
    try:
        content = _encoded(run)
    except ContentError as error:
        raise WriteError(named(path, f"is not written: {error}")) from error
    write_atomically(path, content, overwrite=overwrite)


def encode_run(run: Run) -> bytes:
    """A run as JSON text in UTF-8, ending in a newline; the same run gives the same bytes.

    Raises:
        ContentError: the run holds a figure that no file may hold; says which.
    """
    return bytes(_encoded(run))


def _encoded(run: Run) -> bytearray:
    """Like `encode_run`, without the copy, which counts for a run of 10^5 cases."""
    check_encodable(msgspec.structs.replace(run, cases=[]), "$")
    for index, case in enumerate(run.cases):
        check_encodable(case, f"$.cases[{index}]")
    content = bytearray()
    _ENCODER.encode_into(run, content)
    if len(content) <= _INDENTED_UP_TO:
        content = bytearray(msgspec.json.format(bytes(content), indent=2))
    content += b"\n"
    return content


def check_encodable(value: Run | Case | Host, place: str) -> None:
    """Raise `ContentError` where a struct, once written, would not be read back as it is.

    JSON has no NaN and no infinity, and an encoder that writes `null` instead would turn a broken
    figure into an unknown one without a word.
    """
    why = "cannot be written as JSON"
    try:
        if _DECODERS[type(value)].decode(_ENCODER.encode(value)) == value:
            return
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        why = str(error)
    raise ContentError(_fault(value, place) or f"{why} - at `{place}`")


def _fault(value: Run | Case | Host, place: str) -> str | None:
    """What exactly can't be written, and where; None where it can't be told."""
    try:
        plain = msgspec.to_builtins(value)
        where = next(_not_finite(plain, place), None)
        if where is not None:
            return f"a figure is not finite - at `{where}`"
        msgspec.convert(plain, type(value))
    except msgspec.ValidationError as error:
        return str(error).replace("`$", f"`{place}", 1)
    except (TypeError, RecursionError):
        return None
    return None


def _not_finite(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _not_finite(child, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _not_finite(child, f"{place}[{index}]")
