"""pytest's hooks, thin: everything heavy is imported when a test first asks for energy."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_energybench import groups, hookspec
from pytest_energybench.gatherer import Gatherer
from pytest_energybench.options import EnergyOptions, add_options, check_meters

if TYPE_CHECKING:
    from pytest_energybench.fixture import Energy
    from pytest_energybench.metering.fake import FakeMeter
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.session import EnergySession

MARKERS = (
    "energy_group(name): tests that are compared; one of them carries energy_baseline",
    "energy_baseline: the test that the others of its energy_group are compared with",
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspec)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    EnergyOptions.from_config(config)  # a wrong value is told before anything is collected
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gatherer(config), Gatherer.NAME)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    collected = list(items)
    yield
    check_meters(config)
    brought = groups.arrange(items, collected)
    if brought:
        _undo_deselection(config, brought)


def _undo_deselection(config: pytest.Config, brought: list[pytest.Item]) -> None:
    """Baselines that were brought back do run: keep the terminal's count of deselected right."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    deselected = getattr(reporter, "stats", {}).get("deselected", [])
    for item in brought:
        if item in deselected:
            deselected.remove(item)


@pytest.fixture
def energy(request: pytest.FixtureRequest) -> Energy:
    """Meter this test's work in joules, record metrics beside them, and assert limits."""
    return _session(request.config).energy(request.node)


@pytest.fixture(scope="session")
def energy_meter(request: pytest.FixtureRequest) -> Meter:
    """The session's meter, for a module fixture whose work several tests assert on.

    `with energy_meter.measure("fit") as window: ...`; a test that wants the window among its
    own figures calls `energy.include(window)`.
    """
    return _session(request.config).meter


def _session(config: pytest.Config) -> EnergySession:
    """The session's state; the hooks that only metered tests need come with it."""
    from pytest_energybench.recorder import Recorder
    from pytest_energybench.session import EnergySession

    if not config.pluginmanager.has_plugin(Recorder.NAME):
        config.pluginmanager.register(Recorder(config), Recorder.NAME)
    return EnergySession.of(config)


@pytest.fixture
def energy_fake_meter() -> type[FakeMeter]:
    """A meter for your own tests: it plays a power trace on a clock that the test moves.

    `meter = energy_fake_meter({"cpu:0": 20.0})`, `with meter.measure() as window: ...`,
    `meter.clock.advance(seconds)`.
    """
    from pytest_energybench.metering.fake import FakeMeter

    return FakeMeter
