from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.test import TestCase
from django.utils import timezone


def store(key):
    Session.objects.create(session_key=key, session_data="", expire_date=timezone.now())


@pytest.mark.django_db
def test_query(energy, work):
    with energy.measure():
        store("a")
        work(10.0)
    energy.assert_below("20 J")


@pytest.mark.over
@pytest.mark.django_db(transaction=True)
def test_query_over(energy, work):
    with energy.measure():
        store("b")
        work(10.0)
    energy.assert_below("5 J")


class TestStore(TestCase):
    @pytest.fixture(autouse=True)
    def _take(self, energy, work):
        self.energy, self.work = energy, work

    def test_case(self):
        with self.energy.measure():
            store("c")
            self.work(10.0)
        self.energy.assert_below("20 J")

    @pytest.mark.over
    def test_case_over(self):
        with self.energy.measure():
            store("d")
            self.work(10.0)
        self.energy.assert_below("5 J")
