"""Files of a session: a journal while it runs; run file, report and stored run at its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_energybench.report.text import plural
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.history import (
    FILE,
    append_history,
    codes,
    entries_of,
    told_left_out,
)
from pytest_energybench.results.journal import HeldError, Journal, has_begun, read_journal
from pytest_energybench.results.model import Case, Host, Run
from pytest_energybench.results.run_file import write_run
from pytest_energybench.results.storage import Storage, good_figures
from pytest_energybench.session.integrations.github import github_summary

if TYPE_CHECKING:
    from pytest_energybench.gates.stored import StoredSummary
    from pytest_energybench.report.attachments import Attachment
    from pytest_energybench.report.view import RunView
    from pytest_energybench.session.state import EnergySession


STEM = "energy"
"""Name of the report's files and of the journal, without their suffix."""


class RunWriter:
    """Writes files, and keeps the lines about them.

    Attributes:
        messages: lines for the terminal, in order.
    """

    def __init__(self, session: EnergySession, *, here: Path) -> None:
        """
        Args:
            here: the folder that pytest was called in; paths are shown relative to it.
        """
        self._session = session
        self._here = here
        self._journal: Journal | None = None
        options = session.options
        self._no_journal = options.disable or not (options.keeps or session.role.shares_journal())
        self._begun = self._lost = False
        self._stem = STEM
        self.messages: list[str] = []

    def take(self, case: Case) -> None:
        """Put a finished case on the disk before the next one starts."""
        self._put(lambda journal: journal.append(case))

    def take_host(self, host: Host) -> None:
        """Put one of several hosts on the disk before the first of its cases."""
        self._put(lambda journal: journal.append_host(host))

    def _put(self, append: Callable[[Journal], None]) -> None:
        self.claim()
        if self._journal is None:
            return
        try:
            if not self._begun:
                self._journal.begin(self._session.head)
                self._begun = True
            append(self._journal)
        except ResultsError as error:
            self._give_up(error)

    def claim(self) -> None:
        """Keep other sessions from this one's journal and report, before its first test runs."""
        if self._journal is not None or self._no_journal:
            return
        try:
            self._journal = self._claimed() if self._session.options.keeps else self._passing()
        except ResultsError as error:
            self._give_up(error)

    def _passing(self) -> Journal:
        """The journal of a run that keeps nothing, for its workers."""
        return Journal.claim(self._session.journal)

    def _claimed(self) -> Journal:
        options = self._session.options
        for stem in _stems():
            path = options.report_dir / f"{stem}.journal"
            try:
                journal = Journal.claim(path)
                if not options.resume and has_begun(path):
                    aside = path.with_suffix(".journal.old")
                    journal.move_aside(aside)
                    journal = Journal.claim(path)
                    self.messages.append(
                        "energy: a run that was cut short had left a journal; it is kept as"
                        f" {self._shown(aside)} (--energy-resume would have continued it)"
                    )
            except HeldError:
                continue
            break
        self._session.journal, self._stem = path, stem
        if stem != STEM and options.report:
            self.messages.append(
                f"energy: another session writes {self._shown(options.report_dir / STEM)}.*, so"
                f" this one writes {stem}.* beside it; --energy-report-dir=DIR gives it a folder"
            )
        return journal

    def _give_up(self, error: ResultsError) -> None:
        self._no_journal = True
        self.release()
        self.messages.append(f"energy journal not written, so this run can't be resumed: {error}")

    def release(self) -> None:
        """Let go of the journal, and of what was made for it where it holds nothing."""
        if self._journal is None:
            return
        if self._session.options.keeps and (self._begun or self._session.options.resume):
            self._journal.close()
        else:
            self._journal.discard()
        if not self._session.options.keeps:
            shutil.rmtree(self._session.journal.parent, ignore_errors=True)
        self._journal = None

    def tell(self, summary: StoredSummary | None) -> None:
        """Report what the run took over, and how it differs from the stored run."""
        taken = self._session.taken_over
        if taken:
            self.messages.append(
                f"energy: {plural(len(taken), 'finished case')} taken over from"
                f" {self._shown(self._session.options.journal)}"
            )
        if summary is None:
            return
        if summary.noise:
            self.messages.append(f"energy: {summary.noise}")
        if summary.differences:
            differences = "; ".join(summary.differences)
            self.messages.append(
                f"energy: compared with {summary.name} although they differ: {differences}"
                " (--energy-allow-mismatch)"
                if summary.allowed
                else f"energy: not comparable with {summary.name}: {differences}"
                " (--energy-allow-mismatch compares all the same)"
            )

    def write(self, run: Run, view: Callable[[], RunView], *, complete: bool) -> bool:
        """Write what was asked for; False if any of it failed, which is said.

        Args:
            view: makes the view of the run that its page and summary share.
            complete: every test ran that was to run: only such a run is stored.
        """
        options = self._session.options
        done = True
        if options.json is not None:
            json = options.json
            done &= self._try("energy run", json, lambda: write_run(run, json))
        if options.report:
            done &= self._try(
                "energy report",
                options.report_dir / f"{self._stem}.html",
                lambda: self._report(run, view()),
            )
        if options.save is not None and not complete:
            self.messages.append(f"energy run not stored as {options.save!r}: it was cut short")
        elif options.save is not None:
            done &= self._save(run, options.save)
        if options.history and not complete:
            self.messages.append("energy history: nothing added, for the run was cut short")
        elif options.history:
            done &= self._add_to_history(run)
        problem = github_summary(view)
        if problem is not None:
            self.messages.append(f"energy: {problem}")
        self._let_go_of_journal(run, complete=complete)
        return done

    def _let_go_of_journal(self, run: Run, *, complete: bool) -> None:
        """Delete it only when all that it holds is in the files that were written."""
        options, journal = self._session.options, self._session.journal
        if not options.keeps or self._journal is None:
            self.release()
            return
        there = self._journaled()
        left = None if there is None else there - {case.nodeid for case in run.cases}
        if there and (self._lost or not complete):
            self.messages.append(
                f"energy: what was finished is kept in {self._shown(journal)}; the same"
                " command with --energy-resume continues from there"
            )
        elif left is None or left:
            what = "what could not be read" if left is None else plural(len(left), "case")
            self.messages.append(
                f"energy: {what} of {self._shown(journal)}, not asked for this time, stays"
                " there; --energy-resume takes it over, and deleting the file gives it up"
            )
        else:
            self._journal.discard()
        self.release()

    def _journaled(self) -> set[str] | None:
        """Node ids of the journal's cases; None if it can't be read."""
        journal = self._session.journal
        try:
            if not has_begun(journal):
                return set()
            return {case.nodeid for case in read_journal(journal).run.cases}
        except ResultsError:
            return None

    def _report(self, run: Run, view: RunView) -> None:
        from pytest_energybench.report.html import write_html

        folder = self._session.options.report_dir
        write_run(run, folder / f"{self._stem}.json")
        write_html(view, folder / f"{self._stem}.html", self._attachments(run, folder))

    def _attachments(self, run: Run, folder: Path) -> list[Attachment]:
        """Figures and tables that the project's hooks add to the report."""
        from pytest_energybench.report.attachments import Headline, Table

        config = self._session.config
        offers = config.hook.pytest_energy_attachments(config=config, run=run, folder=folder)
        offered = [
            each
            for offer in offers
            for each in (offer if isinstance(offer, list | tuple) else [offer])
        ]
        for each in offered:
            if not isinstance(each, Path | Table | Headline):
                raise pytest.UsageError(
                    f"pytest_energy_attachments returned {each!r}: a list of paths, Tables and a"
                    " Headline"
                )
        return offered

    def _save(self, run: Run, name: str) -> bool:
        options = self._session.options
        storage = Storage(options.storage)
        good = good_figures(run).cases
        if not good:
            self.messages.append(f"energy run not stored as {name!r}: it has no good figure")
            return False
        if name == options.compare and _failed_against_stored(run):
            self.messages.append(
                f"energy run not stored as {name!r}: it failed against the run that is stored so"
            )
            return False
        return self._try(
            f"stored energy run of {plural(len(good), 'case')}",
            storage.path(name),
            lambda: storage.save(name, run, overwrite=options.overwrite),
        )

    def _add_to_history(self, run: Run) -> bool:
        storage, entries = self._session.options.storage, entries_of(run)
        if len(codes(run)) > 1:
            self.messages.append("energy history: nothing added, for the run is of several commits")
            return True
        left_out = told_left_out(entries)
        return self._try(
            f"energy history, {len(entries)} more"
            + f" (left out of comparisons: {left_out})" * bool(left_out),
            storage / FILE,
            lambda: append_history(storage, entries),
        )

    def _try(self, what: str, path: Path, write: Callable[[], object]) -> bool:
        try:
            write()
        except (OSError, ResultsError) as error:
            self.messages.append(f"{what} not written: {error}")
            self._lost = True
            return False
        self.messages.append(f"{what}: {self._shown(path)}")
        return True

    def _shown(self, path: Path) -> Path:
        return path.relative_to(self._here) if path.is_relative_to(self._here) else path


def _failed_against_stored(run: Run) -> bool:
    """Whether a case failed its comparison: the next run would be compared with what failed."""
    return any(
        each.reference == "stored" and each.judged is not None and each.judged.kind == "fail"
        for case in run.cases
        for each in case.comparisons
        if case.outcome != "xfailed"
    )


def _stems() -> Iterator[str]:
    """Names for the files of sessions that run at the same time."""
    yield STEM
    yield from (f"{STEM}-{number}" for number in count(2))
