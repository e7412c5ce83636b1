from __future__ import annotations

import unittest

import pytest


class TestOld(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _take(self, energy, work):
        self.energy, self.work = energy, work

    def test_case(self):
        with self.energy.measure():
            self.work(10.0)
        self.energy.assert_below("20 J")

    @pytest.mark.over
    def test_case_over(self):
        for number in range(2):
            with self.subTest(number=number), self.energy.measure():
                self.work(10.0)
        self.energy.assert_below("5 J")


class TestAwaiting(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _take(self, energy, work):
        self.energy, self.work = energy, work

    @pytest.mark.over
    async def test_awaits_too_much(self):
        with self.energy.measure():
            self.work(10.0)
        self.energy.assert_below("5 J")


@pytest.mark.over
@pytest.mark.energy_budget(max="5 J")
class TestMarked(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _take(self, work):
        self.work = work

    def test_over_its_marker(self):
        self.work(10.0)
