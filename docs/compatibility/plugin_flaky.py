"""A test that fails once for reasons of its own, and one that is over its budget each time."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def first(request, tmp_path_factory):
    """Whether the test runs for the first time in this session."""
    seen = Path(tmp_path_factory.getbasetemp(), f"seen-{request.node.name}")
    try:
        seen.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def test_fails_once(energy, work, first):
    with energy.measure():
        work(10.0)
    energy.assert_below("20 J")
    assert not first


@pytest.mark.over
@pytest.mark.energy_budget(max="15 J")
def test_fails_once_and_is_over(energy, work, first):
    with energy.measure():
        work(20.0)
    assert not first
