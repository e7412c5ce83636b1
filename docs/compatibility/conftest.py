"""A meter whose joules are known beforehand, `work(10.0)` uses 10 J; and what is read afterwards:
which tests there are, which of them must fail, and which did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_energybench.metering import Meter
from pytest_energybench.metering.custom import CounterSource

_used_j = 0.0


def pytest_energy_meter() -> Meter:
    return Meter([CounterSource(lambda: _used_j, "cpu:0", note="what the tests say they use")])


@pytest.fixture
def work():
    def use(joules):
        global _used_j
        _used_j += joules

    return use


def pytest_configure(config):
    config.addinivalue_line("markers", "over: must fail")


def pytest_collection_modifyitems(items):
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.name.endswith("over"):
            item.add_marker("over")  # a doctest can't carry marks of its own


def pytest_collection_finish(session):
    if session.config.option.collectonly:
        found = {item.nodeid: "over" in item.keywords for item in session.items}
        Path("collected.json").write_text(json.dumps(found))


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    failed = {
        getattr(each, "nodeid", "") for key in ("failed", "error") for each in stats.get(key, ())
    }
    Path("failed.json").write_text(json.dumps(sorted(failed)))
