"""pytest's hooks, thin: every start of pytest reads this file, and few of those use energy.

So it imports the options and nothing else; the rest comes when there is a test that asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_energybench import hookspec
from pytest_energybench.options import BUDGETS_FILE, add_options, any_given, given

if TYPE_CHECKING:
    from pytest_energybench.fixture import Energy
    from pytest_energybench.metering.fake import FakeMeter
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.results.model import Run
    from pytest_energybench.session import EnergySession


MARKERS = (
    "energy_group(name, num_cpus, num_gpus): tests that are compared; one of them carries"
    " energy_baseline. The numbers are what --energy-ray asks of the host that runs the group",
    "energy_baseline: the test that the others of its energy_group are compared with",
    "energy_budget(max, max_accuracy_drop, margin): limits of the test, e.g. max='40 Wh'",
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspec)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if _meets_ranks(config):
        _join_ranks(config)
    if hasattr(config, "workerinput"):
        from pytest_energybench.distribution import Worker

        config.pluginmanager.register(Worker())
        return
    if any_given(config) or (config.rootpath / BUDGETS_FILE).exists():
        from pytest_energybench.checks import check_options

        check_options(config)
        _gather(config)
    if config.getoption("htmlpath", None) and not given(config, "energy_disable"):
        from pytest_energybench.companions import HtmlColumns

        config.pluginmanager.register(HtmlColumns(config))
    if config.getoption("energy_ray") or config.getini("energy_ray"):
        from pytest_energybench.settings import EnergyOptions

        if EnergyOptions.from_config(config).ray is not None and not config.option.collectonly:
            from pytest_energybench.cluster.driver import Driver

            config.pluginmanager.register(Driver(config))
    if config.getoption("dist", "no") != "no":
        from pytest_energybench.distribution import Controller

        config.pluginmanager.register(Controller(config))
        _gather(config)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Before pytest and its plugins open files: those of another rank's are not wanted."""
    if _meets_ranks(config) and os.environ["RANK"] != "0":
        from pytest_energybench.crew import write_nothing

        write_nothing(config)


def _meets_ranks(config: pytest.Config) -> bool:
    """Whether this process is one of several ranks, and a project says how they talk."""
    hook = config.hook.pytest_energy_ranks
    return int(os.environ.get("WORLD_SIZE") or 1) > 1 and bool(hook.get_hookimpls())


def _join_ranks(config: pytest.Config) -> None:
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError("torchrun and -n each start processes of their own: use one")
    ranks = config.hook.pytest_energy_ranks(config=config)
    if ranks is not None:
        from pytest_energybench.crew import join

        join(config, ranks)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    collected = list(items)
    yield
    if any(map(_concerns_us, collected)):
        from pytest_energybench.selection import select, selection_key

        config.stash[selection_key] = select(config, items, collected, head=lambda: _head(config))


def _concerns_us(item: pytest.Item) -> bool:
    return (
        "energy" in getattr(item, "fixturenames", ())
        or "energy_group" in item.keywords
        or "energy_budget" in item.keywords
    )


def _head(config: pytest.Config) -> Run:
    from pytest_energybench.peers import ranks_of
    from pytest_energybench.results.model import Run
    from pytest_energybench.session import EnergySession

    head = EnergySession(config).head
    ranks = ranks_of(config)
    return head if ranks is None else ranks.gather(head, Run)[0]


@pytest.fixture
def energy(request: pytest.FixtureRequest) -> Energy:
    """Meter this test's work in joules, record metrics beside them, and assert limits."""
    return _session(request.config).execution(request.node).energy


@pytest.fixture(scope="session")
def energy_meter(request: pytest.FixtureRequest) -> Meter:
    """The session's meter, for a module fixture whose work several tests assert on.

    `with energy_meter.measure("fit") as window: ...`; a test that wants the window among its
    own figures calls `energy.include(window)`.
    """
    return _session(request.config).meter


@pytest.fixture
def energy_fake_meter() -> type[FakeMeter]:
    """A meter for your own tests: it plays a power trace on a clock that the test moves.

    `meter = energy_fake_meter({"cpu:0": 20.0})`, `with meter.measure() as window: ...`,
    `meter.clock.advance(seconds)`.
    """
    from pytest_energybench.metering.fake import FakeMeter

    return FakeMeter


def _session(config: pytest.Config) -> EnergySession:
    """The session's state; the hooks that only metered tests need come with it."""
    from pytest_energybench.recorder import Recorder
    from pytest_energybench.session import EnergySession

    if not hasattr(config, "workerinput"):
        _gather(config)
    if not config.pluginmanager.has_plugin(Recorder.NAME):
        config.pluginmanager.register(Recorder(config), Recorder.NAME)
    return EnergySession.of(config)


def _gather(config: pytest.Config) -> None:
    """Have what is metered gathered and shown in this process, unless another one does it."""
    from pytest_energybench.peers import follows

    if follows(config):
        return
    from pytest_energybench.gatherer import Gatherer

    if not config.pluginmanager.has_plugin(Gatherer.NAME):
        config.pluginmanager.register(Gatherer(config), Gatherer.NAME)
