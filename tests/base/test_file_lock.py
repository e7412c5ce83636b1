"""The system's lock on an open file, as Linux and macOS have it and as Windows has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_energybench.base import file_lock
from pytest_energybench.base.file_lock import PLACES, try_lock, unlock
from tests.field.elsewhere import windows


@pytest.fixture(params=["flock", "msvcrt"])
def files(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[int]]:
    """One file, opened four times: to a lock, as good as four processes."""
    if request.param == "msvcrt":
        played = SimpleNamespace(locking=windows.locking, LK_NBLCK=2, LK_UNLCK=0)
        monkeypatch.setattr(file_lock, "_fcntl", None)
        monkeypatch.setattr(file_lock, "_msvcrt", played)
    opened = [os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(4)]
    yield opened
    for each in opened[1:]:
        os.close(each)


def test_many_share_it_or_one_has_it(files: list[int]) -> None:
    one, two, three, four = files
    assert try_lock(one, shared=True)
    assert try_lock(two, shared=True)
    assert not try_lock(three)
    unlock(two)
    assert try_lock(one)  # from shared to exclusive
    assert not try_lock(two, shared=True)
    assert not try_lock(three)
    assert try_lock(one, shared=True)
    assert try_lock(two, shared=True)
    unlock(two)
    unlock(two)  # what isn't held is let go without a word
    os.write(one, b"it is no matter to what the file holds")
    assert os.pread(four, 5, 0) == b"it is"
    os.close(one)  # as a process does that dies
    assert try_lock(three)


def test_where_all_places_are_taken_it_is_held(
    files: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "PLACES", 2)
    assert PLACES > 2
    assert [try_lock(each, shared=True) for each in files[:2]] == [True, True]
    assert try_lock(files[2], shared=True) == (file_lock._fcntl is not None)
    os.close(files[0])
    assert try_lock(files[2], shared=True)
