"""What every neighbour must leave as it is: limits that hold and limits that don't."""

from __future__ import annotations

import os

import pytest

MORE = float(os.environ.get("MORE", "1"))
METHODS = [pytest.param("plain", marks=pytest.mark.energy_baseline), "lean"]
TOO_MUCH = pytest.mark.over


def test_within(energy, work):
    with energy.measure():
        work(10.0)
    energy.assert_below("20 J")


@pytest.mark.energy_budget(max="20 J")
def test_within_its_marker(work):
    work(10.0)


def test_grows(energy, work):
    """Within its budget always, and above the stored run where MORE says so."""
    with energy.measure():
        work(10.0 * MORE)
    energy.assert_below("100 J")


@pytest.mark.energy_group("methods")
@pytest.mark.parametrize("method", [*METHODS, pytest.param("greedy", marks=TOO_MUCH)])
def test_methods(energy, work, method):
    with energy.measure():
        work({"plain": 10.0, "lean": 5.0, "greedy": 20.0}[method])
    energy.assert_below_baseline()


@TOO_MUCH
def test_over(energy, work):
    with energy.measure():
        work(10.0)
    energy.assert_below("5 J")


@TOO_MUCH
@pytest.mark.energy_budget(max="5 J")
def test_over_its_marker(work):
    work(10.0)


@TOO_MUCH
def test_meters_nothing(energy):
    energy.assert_below("5 J")


@TOO_MUCH
def test_loses_accuracy(energy, work):
    with energy.measure():
        work(10.0)
    energy.record(correct=8, total=10)
    energy.assert_accuracy(0.8, baseline=0.9, max_drop=0.01)


def test_without_energy():
    pass
