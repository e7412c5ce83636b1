"""What can be wrong with files of results. Every message is one line, fit for a terminal."""

from __future__ import annotations

import os

from pytest_energybench.exceptions import EnergyBenchError

_LONGEST = 400


class ResultsError(EnergyBenchError):
    """Files of results that can't be read, written or put together; the message is one line."""


class RunFileError(ResultsError, ValueError):
    """A file that isn't what it should be, or can't be; names the file and the field."""


class WriteError(RunFileError):
    """A file that couldn't be written; what was there before is still there."""


class StorageError(ResultsError, ValueError):
    """A name under which no run can be stored or found."""


class MergeError(ResultsError, ValueError):
    """Runs that are no parts of one whole."""


class ShardError(ResultsError, ValueError):
    """A share of the cases that there can't be."""


def one_line(text: str) -> str:
    """Text that may hold anything as one printable line of bounded length."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    flat = " ".join(flat.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"


def named(path: str | os.PathLike[str], what: str) -> str:
    """`FILE: what is wrong`, in one line."""
    return one_line(f"{os.fspath(path)}: {what}")


def cause(error: OSError) -> str:
    """What the system says, without the path and the number."""
    return error.strerror or type(error).__name__
