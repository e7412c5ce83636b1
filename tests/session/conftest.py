"""A suite of a stranger whose meter is a power trace, so that every joule is known."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FAKE_METER = '''
import pytest
from pytest_energybench.metering.fake import FakeMeter

METER = FakeMeter({"cpu:0": 10.0, "dram:0": 2.0})

def pytest_energy_meter(config):
    return METER

@pytest.fixture
def work():
    """Let seconds pass at 12 W."""
    return METER.clock.advance

@pytest.fixture
def lose():
    return METER.source.lose
'''


@pytest.fixture(autouse=True)
def only_this_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suites under test start without other plugins, which are half of a start's time; a test
    that is about another plugin names it with `-p`. They are no part of the worker that this is,
    and leave no bytecode, whose age in whole seconds hides what a test writes anew."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.fixture(autouse=True)
def locks_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Suites under test meter beside each other, and beside whatever else this machine meters."""
    monkeypatch.setenv("ENERGYBENCH_LOCK_DIR", str(tmp_path / "locks"))


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Every test in it has the fixtures `work(seconds)`, at 10 W cpu:0 and 2 W dram:0, and
    `lose(domain)`."""
    pytester.makeconftest(FAKE_METER)
    return pytester
