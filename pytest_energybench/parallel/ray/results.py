"""Takes a unit's figures from its journal into this session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_energybench.results.compatibility import commits, host_of
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.journal import parse_journal
from pytest_energybench.results.model import Case, Run
from pytest_energybench.session.collection import nodeid_of
from pytest_energybench.session.markers import group_of, is_baseline
from pytest_energybench.session.reporter import EnergyReporter

if TYPE_CHECKING:
    from pytest_energybench.session.state import EnergySession


class UnitResults:
    """The cases of one journal, taken over as their tests are reported."""

    def __init__(
        self, config: pytest.Config, session: EnergySession, journal: bytes, host: str
    ) -> None:
        """
        Args:
            host: name of the host that wrote the journal.
        """
        self._writer = EnergyReporter.of(config).writer()
        self._session = session
        self._host = host
        self._cases: dict[str, Case] = {}
        if not journal:
            return
        try:
            run = parse_journal(f"journal of {host}", journal).run
        except ResultsError as error:
            session.errors.append(str(error))
            return
        self._cases = {case.nodeid: case for case in run.cases}
        self._add_host(run)

    def take(self, nodeid: str) -> None:
        """Make a test's case this session's, with the host it ran on."""
        case = self._cases.pop(nodeid, None)
        if case is not None:
            self._writer.take(self._session.add(msgspec.structs.replace(case, host=self._host)))

    def book_missing(self, item: pytest.Item, why: str) -> None:
        """Book a test that has no figures as an error."""
        group = group_of(item)
        self._session.add_crashed(
            Case(
                nodeid=nodeid_of(item),
                name=item.name,
                group=group,
                baseline=group is not None and is_baseline(item),
                host=self._host or None,
            ),
            why,
        )

    def _add_host(self, run: Run) -> None:
        session = self._session
        session.errors += [f"{self._host}: {error}" for error in run.errors]
        if any(host.name == self._host for host in session.hosts):
            return
        host = msgspec.structs.replace(host_of(run, 1), name=self._host)
        session.hosts.append(host)
        self._writer.take_host(host)
        session.commits += run.commits
        ours, theirs = session.head, run
        session.errors += [
            f"{self._host} and this machine have different code: {each}"
            for each in commits(theirs, ours)
        ]
