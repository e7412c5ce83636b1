"""A session on several ranks: the same tests in step, one that reports, failures told to all."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from pytest_energybench.peers import Ranks, Trouble, ranks_key
from pytest_energybench.selection import is_metered
from pytest_energybench.session import EnergySession, execution_key

OUTCOMES = (pytest.fail.Exception, pytest.skip.Exception, pytest.xfail.Exception)
"""How a test says how it ended; none of them is an `Exception`."""

OUTPUTS = ("xmlpath", "htmlpath", "report_log", "benchmark_json", "cov_report")
"""Options of pytest and its plugins that write files."""


class EndedError(RuntimeError):
    """torchrun asked this rank to end, which it does when another one has failed."""


def join(config: pytest.Config, ranks: Ranks) -> None:
    """Have this session run in step with the other ranks'."""
    config.stash[ranks_key] = ranks
    if ranks.rank:
        config.pluginmanager.register(Follower(config))
    config.pluginmanager.register(Crew(config, ranks))


class Crew:
    """What every rank does."""

    def __init__(self, config: pytest.Config, ranks: Ranks) -> None:
        self._config = config
        self._ranks = ranks
        self._session: pytest.Session | None = None
        self._inside = False
        self._over = ""
        self._before = signal.signal(signal.SIGTERM, self._asked_to_end)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All ranks run the same tests, or none runs any."""
        self._session = session
        lists = self._ranks.gather([item.nodeid for item in session.items])
        for rank, other in enumerate(lists):
            if other != lists[0]:
                if self._ranks.rank:
                    pytest.exit("", returncode=pytest.ExitCode.USAGE_ERROR)
                del self._config.stash[ranks_key]  # what is left to do, this rank does alone
                raise pytest.UsageError(_difference(rank, lists[0], other))
        if any(map(is_metered, session.items)):
            _ = EnergySession.of(self._config).meter  # all make it at the same time

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        result = yield
        session = self._session
        assert session is not None
        if not self._over and self._ranks.ending:
            self._over = "torchrun asked rank 0 to end"
        if not self._over:
            try:  # whether to go on is the first rank's to say: it counts the failures
                stop = self._ranks.gather((session.shouldfail, session.shouldstop))[0]
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
        if self._ranks.rank and not self._over:
            with suppress(ConnectionError):
                session.exitstatus = self._ranks.ended()

    def pytest_unconfigure(self) -> None:
        signal.signal(signal.SIGTERM, self._before)
        if not self._ranks.rank and self._session is not None:
            with suppress(ConnectionError):
                self._ranks.end(int(self._session.exitstatus))

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
            trouble = self._ranks.settle(*([] if raised is None else _told(raised)))
        except ConnectionError as error:
            self._over = str(error)
            pytest.fail(self._over, pytrace=False)
        if trouble is None:
            return
        if trouble.kind == "lost":
            self._over = trouble.text
        if raised is not None and trouble.kind != "lost" and trouble.rank == self._ranks.rank:
            raise raised
        self._take_over(item, trouble)

    def _take_over(self, item: pytest.Item, trouble: Trouble) -> None:
        """End this rank's test as another rank's did."""
        if trouble.kind == "skipped":
            pytest.skip(trouble.text)
        if trouble.kind == "xfailed":
            pytest.xfail(trouble.text)
        text = trouble.text
        if trouble.kind != "lost":
            text = f"rank {trouble.rank} failed: {text}"
        execution = item.stash.get(execution_key, None)
        if execution is not None:
            execution.draft.errors.append(text.splitlines()[0])
        pytest.fail(text, pytrace=False)

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._ranks.ending = True
        if self._inside:
            self._inside = False
            raise EndedError("torchrun asked this rank to end")


class Follower:
    """What keeps a rank silent: it prints nothing and writes no file."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

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
    """Where two ranks' lists part."""
    at = next(
        (i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
        min(len(ours), len(theirs)),
    )
    first, second = (each[at] if at < len(each) else "nothing" for each in (ours, theirs))
    return (
        f"the ranks collected different tests: as number {at + 1}, rank 0 has {first} and rank"
        f" {rank} has {second}; give all the same files and options, and no random order"
    )
