"""A session on several ranks: all run the same tests in step, one reports, failures reach all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import pytest

from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.metering.distributed import DistributedMeter
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.meter import Meter
from pytest_energybench.results.model import Run
from pytest_energybench.session.collection import is_metered
from pytest_energybench.session.role import RankFailure, Ranks, Role, role_key, visible_to_all
from pytest_energybench.session.state import EnergySession, execution_key

OUTCOMES = (pytest.fail.Exception, pytest.skip.Exception, pytest.xfail.Exception)
"""How a test says how it ended; none of them is an `Exception`."""

OUTPUTS = ("xmlpath", "htmlpath", "report_log", "benchmark_json", "cov_report")
"""Options of pytest and its plugins that write files."""


class EndedError(EnergyBenchError):
    """torchrun asked this rank to end, which it does when another one has failed."""


def joined(config: pytest.Config, ranks: Ranks) -> RankSync:
    """The role of this rank, whose session runs in step with the others'."""
    return SilentRank(config, ranks) if ranks.rank else FirstRank(config, ranks)


class RankSync(Role):
    """What every rank does."""

    def __init__(self, config: pytest.Config, ranks: Ranks) -> None:
        self._config = config
        self.ranks: Ranks = ranks
        self._session: pytest.Session | None = None
        self._inside = False
        self._over = ""
        self._before = signal.signal(signal.SIGTERM, self._asked_to_end)

    def meter(self, own: Callable[..., Meter]) -> Meter:
        """One that all ranks have together; one rank of each host meters it."""
        gpus = visible_to_all(self.ranks)
        mine = self._own_meter(own, gpus) if self.ranks.meters else Meter(())
        return DistributedMeter(mine, self.ranks)

    def _own_meter(self, own: Callable[..., Meter], gpus: str | None) -> Meter:
        return own(self.ranks.local_pids, gpus)

    def agreed(self, head: Run) -> Run:
        """The first rank's word."""
        return self.ranks.gather(head, Run)[0]

    def summed(self, counts: Mapping[str, float]) -> Mapping[str, float]:
        """Each rank has done its own part of the work."""
        found: dict[str, float] = {}
        for each in self.ranks.gather(dict(counts), dict[str, float]):
            for unit, count in each.items():
                found[unit] = found.get(unit, 0.0) + count
        return found

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All ranks run the same tests, or none runs any."""
        self._session = session
        lists = self.ranks.gather([item.nodeid for item in session.items])
        for rank, other in enumerate(lists):
            if other != lists[0]:
                self._give_up(_difference(rank, lists[0], other))
        if any(map(is_metered, session.items)):
            _ = EnergySession.of(self._config).meter  # all make it at the same time

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        result = yield
        session = self._session
        assert session is not None
        if not self._over and self.ranks.ending:
            self._over = "torchrun asked rank 0 to end"
        if not self._over:
            try:  # whether to go on is the first rank's to say: it counts the failures
                stop = self.ranks.gather((session.shouldfail, session.shouldstop))[0]
                session.shouldfail, session.shouldstop = stop
            except ConnectionError as error:
                self._over = str(error)
        if self._over:
            session.shouldstop = self._over
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        yield from self._together(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        yield from self._together(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        yield from self._together(item)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._session = session

    def pytest_unconfigure(self) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _give_up(self, why: str) -> NoReturn:  # noqa: ARG002
        """End the session before its first test; only the first rank says why."""
        pytest.exit("", returncode=pytest.ExitCode.USAGE_ERROR)

    def _together(self, item: pytest.Item) -> Generator[None]:
        """A part of a test that fails on all ranks where it fails on one."""
        raised: BaseException | None = None
        self._inside = True
        try:
            yield
        except pytest.exit.Exception:
            raise
        except (Exception, *OUTCOMES) as error:
            raised = error
        finally:
            self._inside = False
        if self._over:  # nobody is left to settle it with
            if raised is not None:
                raise raised
            return
        try:
            failure = self.ranks.settle(*([] if raised is None else _told(raised)))
        except ConnectionError as error:
            self._over = str(error)
            pytest.fail(self._over, pytrace=False)
        if failure is None:
            return
        if failure.kind == "lost":
            self._over = failure.text
        if raised is not None and failure.kind != "lost" and failure.rank == self.ranks.rank:
            raise raised
        self._take_over(item, failure)

    def _take_over(self, item: pytest.Item, failure: RankFailure) -> None:
        """End this rank's test as another rank's did."""
        if failure.kind == "skipped":
            pytest.skip(failure.text)
        if failure.kind == "xfailed":
            pytest.xfail(failure.text)
        text = failure.text
        if failure.kind != "lost":
            text = f"rank {failure.rank} failed: {text}"
        execution = item.stash.get(execution_key, None)
        if execution is not None:
            execution.builder.errors.append(text.splitlines()[0])
        pytest.fail(text, pytrace=False)

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.ranks.ending = True
        if self._inside:
            self._inside = False
            raise EndedError("torchrun asked this rank to end")


class FirstRank(RankSync):
    """The rank that reports; its exit status is that of all."""

    def pytest_unconfigure(self) -> None:
        super().pytest_unconfigure()
        if self._session is not None:
            with suppress(ConnectionError):
                self.ranks.end(int(self._session.exitstatus))

    def _give_up(self, why: str) -> NoReturn:
        del self._config.stash[role_key]  # what is left to do, this rank does alone
        raise pytest.UsageError(why)


class SilentRank(RankSync):
    """A rank that leaves judging and reporting to the first one: it prints nothing and writes no
    file."""

    def reports(self) -> bool:
        """The first rank does."""
        return False

    def judges(self) -> bool:
        """The first rank does, for all."""
        return False

    def _own_meter(self, own: Callable[..., Meter], gpus: str | None) -> Meter:
        try:
            return super()._own_meter(own, gpus)
        except MeterError as error:  # its host is missing, which makes the sum unknown
            return Meter((), problems=(str(error),))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        super().pytest_sessionfinish(session)
        if not self._over:
            with suppress(ConnectionError):
                session.exitstatus = self.ranks.ended()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter._tw._file = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
        if self._config.getoption("capture", "") == "no":
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        cache: Any = getattr(self._config, "cache", None)
        if cache is not None:
            cache.set = lambda key, value: None  # noqa: ARG005


def write_nothing(config: pytest.Config) -> None:
    """Take back the options by which other plugins write files."""
    for name in OUTPUTS:
        if getattr(config.option, name, None):
            setattr(config.option, name, None)


def _told(error: BaseException) -> tuple[str, str]:
    """A failure for other ranks: its kind and its text."""
    for kind, outcome in (("skipped", pytest.skip.Exception), ("xfailed", pytest.xfail.Exception)):
        if isinstance(error, outcome):
            return kind, str(error)
    if isinstance(error, pytest.fail.Exception):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: {error}"


def _difference(rank: int, ours: list[str], theirs: list[str]) -> str:
    """The first test in which two ranks' lists differ."""
    at = next(
        (i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
        min(len(ours), len(theirs)),
    )
    first, second = (each[at] if at < len(each) else "nothing" for each in (ours, theirs))
    return (
        f"the ranks collected different tests: as number {at + 1}, rank 0 has {first} and rank"
        f" {rank} has {second}; give all the same files and options, and no random order"
    )
