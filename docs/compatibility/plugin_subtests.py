from __future__ import annotations

import pytest


def test_parts(energy, work, subtests):
    for number in range(3):
        with subtests.test(number=number), energy.measure():
            work(5.0)
    energy.assert_below("20 J")


@pytest.mark.over
def test_a_part_is_over(energy, work, subtests):
    for limit in ("20 J", "5 J", "40 J"):
        with subtests.test(limit=limit):
            with energy.measure():
                work(10.0)
            energy.assert_below(limit)


@pytest.mark.over
def test_the_whole_is_over(energy, work, subtests):
    for number in range(3):
        with subtests.test(number=number), energy.measure():
            work(10.0)
    energy.assert_below("20 J")
