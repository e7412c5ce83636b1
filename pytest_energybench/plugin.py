"""pytest's hooks, thin: every start of pytest reads this file, and few of those use energy.

So it imports the options and the clock and nothing else; the rest comes when there is a test that
asks for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.session import hookspecs as hookspec
from pytest_energybench.session.options import add_options, any_given, usual_budgets

if TYPE_CHECKING:
    from pytest_energybench.metering.fake import FakeMeter
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.session.config import EnergyConfig
    from pytest_energybench.session.fixture import Energy
    from pytest_energybench.session.role import Role
    from pytest_energybench.session.state import EnergySession


MARKERS = (
    "energy_group(name, num_cpus, num_gpus): tests that are compared; one of them carries"
    " energy_baseline. The numbers are what --energy-ray asks of the host that runs the group",
    "energy_baseline: the test that the others of its energy_group are compared with",
    "energy_budget(max, max_accuracy_drop, margin): limits of the test, e.g. max='40 Wh'",
)


_started_key = pytest.StashKey[float]()
BUDGET = "energy_budget"
_budget_key = pytest.StashKey[bool]()
_collected_key = pytest.StashKey[list[pytest.Item]]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspec)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_started_key] = SYSTEM_CLOCK.monotonic()
    if "pyfakefs" in sys.modules:  # later it could be loaded in the midst of a fake only
        import pytest_energybench.session.real_files  # noqa: F401
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    asked = _is_asked(config)
    role = _role_beside_others(config, ray=asked and _options(config).ray is not None)
    if asked and _options(config).rounds > 1:
        from pytest_energybench.session.collection import Rounds

        # Ranks meet inside a test: one that skipped what the others run would leave them waiting.
        config.pluginmanager.register(Rounds(config, stops=not _meets_ranks(config)))
    if role is not None:
        from pytest_energybench.session.role import role_key

        config.stash[role_key] = role
        config.pluginmanager.register(role)
        if not role.begins_session():
            return
    if asked:
        from pytest_energybench.session.checks import check_options

        check_options(config)
        _gather(config)
    if config.getoption("htmlpath", None) and not _options(config).disable:
        from pytest_energybench.session.integrations.html import HtmlColumns

        config.pluginmanager.register(HtmlColumns(config))


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Before pytest and its plugins open files: those of another rank's are not wanted."""
    if _meets_ranks(config) and os.environ.get("RANK", "0") != "0":
        from pytest_energybench.parallel.torchrun import write_nothing

        write_nothing(config)


def _meets_ranks(config: pytest.Config) -> bool:
    """Whether this process is one of several ranks, and a project says how they talk."""
    if not config.hook.pytest_energy_ranks.get_hookimpls():
        return False
    size = os.environ.get("WORLD_SIZE", "").strip() or "1"
    if not size.isdecimal():
        raise pytest.UsageError(f"WORLD_SIZE={size!r} is no number of ranks")
    return int(size) > 1


def _role_beside_others(config: pytest.Config, *, ray: bool) -> Role | None:
    """What this process does in a session of several; None where it is alone in it.

    Args:
        ray: tasks on a Ray cluster run the tests.
    """
    xdist = config.getoption("dist", "no") != "no"
    if _meets_ranks(config):
        if xdist or ray:
            other = "-n" if xdist else "--energy-ray"
            raise pytest.UsageError(
                f"torchrun and {other} each start processes of their own: use one"
            )
        ranks = config.hook.pytest_energy_ranks(config=config)
        if ranks is not None:
            from pytest_energybench.parallel.torchrun import joined

            return joined(config, ranks)
    if hasattr(config, "workerinput"):
        from pytest_energybench.parallel.xdist import Worker

        return Worker(config)
    if ray:
        from pytest_energybench.parallel.ray.driver import Driver

        return Driver(config)
    if xdist and not config.option.collectonly:
        from pytest_energybench.parallel.xdist import Controller

        return Controller(config)
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    config.stash[_collected_key] = list(items)  # before any is deselected
    yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> Generator[None]:
    """Here and not where others change the items: whoever reorders or deselects has done so."""
    config = session.config
    collected = config.stash.get(_collected_key, [])
    marks = {mark.name for item in collected for mark in item.iter_markers()}
    if any(name.startswith("energy_") for name in marks):
        from pytest_energybench.session.markers import refuse_unknown_marks

        refuse_unknown_marks(config, collected)
    is_marked = "energy_group" in marks or BUDGET in marks
    if is_marked or _is_asked(config) or any(map(_asks_for_energy, collected)):
        _keep_real_files()
        from pytest_energybench.session.collection import is_metered, select, selection_key

        energy = _session(config) if any(map(is_metered, collected)) else _bare_session(config)
        selection = select(config, session.items, collected, finished=energy.not_to_run)
        config.stash[selection_key] = selection
        energy.begin(selection)
        if selection.asked:
            energy.check_meter()
        if selection.asked and energy.role.reports():
            from pytest_energybench.session.status import show_status

            show_status(config, config.stash[_started_key])
    yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Tell a fixture that outlives a test what to ask for instead of `energy`."""
    if call.when == "setup" and call.excinfo is not None:
        failed = call.excinfo.value
        text = getattr(failed, "msg", None) or ""
        if "ScopeMismatch" in text and "scoped fixture energy with" in text:
            failed.msg = (  # type: ignore[attr-defined]
                f"{text}\n`energy` belongs to one test; in a fixture that several tests share,"
                " ask for `energy_meter`: `with energy_meter.measure() as window: ...`"
            )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    yield
    item.stash[_budget_key] = item.get_closest_marker(BUDGET) is not None
    _refuse_late_budget(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    yield
    if not item.stash.get(_budget_key, True):  # it ran, and had none then
        _refuse_late_budget(item)


def _refuse_late_budget(item: pytest.Item) -> None:
    """Fail a test that got its budget too late to be metered."""
    if item.get_closest_marker(BUDGET) is None or _options(item.config).disable:
        return
    from pytest_energybench.session.state import execution_key

    if execution_key not in item.stash:
        pytest.fail(
            "the energy_budget of this test was added after its collection, so its energy"
            " was not metered: add it in pytest_collection_modifyitems, or ask for the"
            " fixture `energy`",
            pytrace=False,
        )


def _options(config: pytest.Config) -> EnergyConfig:
    from pytest_energybench.session.config import EnergyConfig

    return EnergyConfig.of(config)


def _is_asked(config: pytest.Config) -> bool:
    """Whether the user wants something of us, whatever the tests are."""
    return any_given(config) or usual_budgets(config) is not None


def _keep_real_files() -> None:
    if "pyfakefs" in sys.modules:
        from pytest_energybench.session.real_files import keep_real_files

        keep_real_files()


def _asks_for_energy(item: pytest.Item) -> bool:
    return "energy" in getattr(item, "fixturenames", ())


@pytest.fixture
def energy(request: pytest.FixtureRequest) -> Energy:
    """Meter this test's work in joules, record metrics beside them, and assert limits."""
    return _session(request.config).execution_of(request.node).energy


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
    _keep_real_files()  # a test may ask for `energy` in its midst only
    from pytest_energybench.session.runtest import RuntestMeter

    _gather(config)
    if not config.pluginmanager.has_plugin(RuntestMeter.NAME):
        config.pluginmanager.register(RuntestMeter(config), RuntestMeter.NAME)
    return _bare_session(config)


def _bare_session(config: pytest.Config) -> EnergySession:
    from pytest_energybench.session.state import EnergySession

    return EnergySession.of(config)


def _gather(config: pytest.Config) -> None:
    """Have what is metered gathered and shown in this process, unless another one does it."""
    from pytest_energybench.session.role import role_of

    if role_of(config).reports():
        from pytest_energybench.session.reporter import EnergyReporter

        EnergyReporter.of(config)
