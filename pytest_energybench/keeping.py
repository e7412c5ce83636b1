"""What outlives a session: a journal while it runs; run file, report, stored run at its end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energybench.companions import github_summary
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.files import write_run
from pytest_energybench.results.journal import Journal
from pytest_energybench.results.model import Case, Host, Run
from pytest_energybench.results.storage import Storage, good_figures

if TYPE_CHECKING:
    from pytest_energybench.gates.stored import StoredSummary
    from pytest_energybench.session import EnergySession


class Keeping:
    """Writes files and keeps the lines that tell of them.

    Attributes:
        said: lines for the terminal, in order.
    """

    def __init__(self, session: EnergySession, *, here: Path, distributed: bool = False) -> None:
        """
        Args:
            distributed: workers look into the journal for what others have finished.
            here: the folder that pytest was called in; paths are shown relative to it.
        """
        self._session = session
        self._here = here
        self._journal: Journal | None = None
        self._no_journal = not (session.options.keeps or distributed)
        self._lost = False
        self.said: list[str] = []

    def take(self, case: Case) -> None:
        """Put a finished case on the disk before the next one starts."""
        self._put(lambda journal: journal.append(case))

    def take_host(self, host: Host) -> None:
        """Put one of several hosts on the disk before the first of its cases."""
        self._put(lambda journal: journal.append_host(host))

    def _put(self, append: Callable[[Journal], None]) -> None:
        if self._no_journal:
            return
        try:
            if self._journal is None:
                self._journal = self._open_journal()
            append(self._journal)
        except ResultsError as error:
            self._no_journal = True
            self.said.append(f"energy journal not written, so this run can't be resumed: {error}")

    def tell(self, summary: StoredSummary | None) -> None:
        """Say what the run took over, and what it has not in common with the stored run."""
        taken = self._session.selection.taken_over
        if taken:
            self.said.append(
                f"energy: {len(taken)} finished case{'s' if len(taken) > 1 else ''} taken over from"
                f" {self._shown(self._session.options.journal)}"
            )
        if summary is None:
            return
        for what, nodeids in (
            ("missing from", summary.missing),
            ("no tests any more, but in", summary.stale),
        ):
            if nodeids:
                self.said.append(f"energy: {what} {summary.name}: {_some(nodeids)}")
        if summary.differences:
            self.said.append(
                f"energy: not comparable with {summary.name}: {'; '.join(summary.differences)}"
                " (--energy-allow-mismatch compares all the same)"
            )

    def write(self, run: Run, *, interrupted: bool, complete: bool) -> bool:
        """Write what was asked for; False where any of it failed, which is said.

        Args:
            interrupted: the run was cut short from outside, so that it can be resumed.
            complete: every test ran that was to run: only such a run is stored as a baseline.
        """
        options = self._session.options
        done = True
        if options.json is not None:
            json = options.json
            done &= self._try("energy run", json, lambda: write_run(run, json))
        if options.report:
            done &= self._try(
                "energy report", options.report_dir / "energy.html", lambda: self._report(run)
            )
        if options.save is not None and not complete:
            self.said.append(f"energy run not stored as {options.save!r}: it was cut short")
        elif options.save is not None:
            done &= self._save(run, options.save)
        trouble = github_summary(run)
        if trouble is not None:
            self.said.append(f"energy: {trouble}")
        if self._journal is not None:
            self._journal.close()
        if self._journal is not None and not options.keeps:
            shutil.rmtree(self._session.ledger.parent, ignore_errors=True)
        elif (interrupted or self._lost) and os.path.exists(options.journal):
            self.said.append(
                f"energy: what was finished is kept in {self._shown(options.journal)}; the same"
                " command with --energy-resume goes on from there"
            )
        elif self._journal is not None or options.resume:
            with suppress(OSError):
                options.journal.unlink(missing_ok=True)
        return done

    def _report(self, run: Run) -> None:
        from pytest_energybench.report.attachments import Table
        from pytest_energybench.report.html import write_html

        folder = self._session.options.report_dir
        write_run(run, folder / "energy.json")
        attached = self._session.attachments(run, folder)
        write_html(
            run,
            folder / "energy.html",
            figures=[each for each in attached if not isinstance(each, Table)],
            tables=[each for each in attached if isinstance(each, Table)],
        )

    def _save(self, run: Run, name: str) -> bool:
        options = self._session.options
        storage = Storage(options.storage)
        good = good_figures(run).cases
        if not good:
            self.said.append(f"energy run not stored as {name!r}: it has no good figure")
            return False
        return self._try(
            f"energy baseline of {len(good)} case{'s' if len(good) > 1 else ''}",
            storage.path(name),
            lambda: storage.save(name, run, overwrite=options.overwrite),
        )

    def _try(self, what: str, path: Path, write: Callable[[], object]) -> bool:
        try:
            write()
        except (OSError, ResultsError) as error:
            self.said.append(f"{what} not written: {error}")
            self._lost = True
            return False
        self.said.append(f"{what}: {self._shown(path)}")
        return True

    def _open_journal(self) -> Journal:
        ledger = self._session.ledger
        if self._session.options.resume and os.path.exists(ledger):
            journal, _ = Journal.resume(ledger, self._session.head)
            return journal
        if os.path.exists(ledger):
            Journal.check_free(ledger)
            aside = ledger.with_suffix(".journal.old")
            with suppress(OSError):
                os.replace(ledger, aside)
                self.said.append(
                    "energy: a run that was cut short had left a journal; it is kept as"
                    f" {self._shown(aside)} (--energy-resume would have gone on with it)"
                )
        return Journal.create(ledger, self._session.head)

    def _shown(self, path: Path) -> Path:
        return path.relative_to(self._here) if path.is_relative_to(self._here) else path


def _some(nodeids: tuple[str, ...], shown: int = 3) -> str:
    rest = len(nodeids) - shown
    return ", ".join(nodeids[:shown]) + (f" and {rest} more" if rest > 0 else "")
