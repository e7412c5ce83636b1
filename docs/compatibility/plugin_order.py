from __future__ import annotations

import pytest


@pytest.mark.energy_group("ordered")
class TestOrdered:
    """The order asks for the reference last."""

    @pytest.mark.order(2)
    @pytest.mark.energy_baseline
    def test_reference(self, energy, work):
        with energy.measure():
            work(10.0)

    @pytest.mark.order(1)
    def test_lean(self, energy, work):
        with energy.measure():
            work(5.0)
        energy.assert_below_baseline()

    @pytest.mark.over
    @pytest.mark.order(0)
    def test_greedy(self, energy, work):
        with energy.measure():
            work(20.0)
        energy.assert_below_baseline()
