"""What was heard of the metered tests: which have figures of all their rounds, and which don't."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest


class Hearing:
    """Takes every report of a session, and says what is missing.

    Attributes:
        not_passed: node ids of tests that failed or were skipped.
    """

    def __init__(self, *, grouped: bool) -> None:
        """
        Args:
            grouped: xdist has added the names of its groups to the node ids.
        """
        self._grouped = grouped
        self._reported: set[str] = set()
        self._skipped: set[str] = set()
        self._excused: set[str] = set()
        self._unended: set[str] = set()
        self.not_passed: set[str] = set()

    def take(self, report: pytest.TestReport) -> None:
        """Keep that a test has reported."""
        nodeids = {report.nodeid}
        if self._grouped:
            nodeids.add(report.nodeid.rpartition("@")[0])
        self._reported |= nodeids
        if not report.passed:
            self.not_passed |= nodeids
        if report.skipped and not hasattr(report, "context"):  # which a subtest's report has
            self._skipped |= nodeids
        if report.when == "teardown":  # now it has said all why it has no figures
            self._excused |= nodeids & self._skipped

    def take_round(self, nodeid: str, *, last: bool) -> None:
        """Keep that a round's figures have come."""
        (self._unended.discard if last else self._unended.add)(nodeid)

    def cut_short(self, asked: Sequence[str], there: Collection[str]) -> str | None:
        """That tests did not run to their end, as a line; None if all did.

        Args:
            asked: node ids of all metered tests of the run.
            there: those that have figures.
        """
        missing = len(self._unfinished(asked, there))
        if not missing:
            return None
        return (
            f"the run was cut short: {missing} of its {len(asked)} metered tests did not run to"
            " their end"
        )

    def missing(self, asked: Sequence[str], there: Collection[str]) -> list[str]:
        """What a session that ran to its end lacks, a line each: a plugin kept it from us.

        Args:
            asked, there: as for `cut_short`.
        """
        unfinished = self._unfinished(asked, there)
        unheard = [each for each in unfinished if each not in self._reported]
        bare = [each for each in unfinished if each in self._reported]
        found = []
        if unheard:
            which = _first_of(unheard)
            found.append(f"nothing was heard of {which}: it was to run, and has no report")
        if bare:
            found.append(
                f"the figures of {_first_of(bare)} are missing, or not of all rounds: another"
                " plugin ran the test in its own way"
            )
        return found

    def _unfinished(self, asked: Sequence[str], there: Collection[str]) -> list[str]:
        whole = set(there).difference(self._unended)
        return [each for each in asked if each not in whole and each not in self._excused]


def _first_of(nodeids: Sequence[str]) -> str:
    return nodeids[0] + (f" and {len(nodeids) - 1} more" if len(nodeids) > 1 else "")
