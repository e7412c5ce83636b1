"""A user's file: every file whose name a user may give is read here."""

from __future__ import annotations

import os

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.results.errors import RunFileError, cause, named

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
