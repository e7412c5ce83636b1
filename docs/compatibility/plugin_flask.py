from __future__ import annotations

import pytest
from flask import Flask


@pytest.fixture
def app(work):
    made = Flask(__name__)

    @made.get("/<int:joules>")
    def use(joules):
        work(float(joules))
        return "used"

    return made


def test_request(client, energy):
    with energy.measure():
        assert client.get("/10").data == b"used"
    energy.per(request=1)
    energy.assert_below("20 J/request")


@pytest.mark.over
def test_request_over(client, energy):
    with energy.measure():
        client.get("/10")
    energy.per(request=1)
    energy.assert_below("5 J/request")


@pytest.mark.over
@pytest.mark.energy_budget(max="5 J")
def test_request_over_its_marker(client):
    client.get("/10")
