"""`--energy-resume`: the run that was cut short, out of its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_energybench.results.compatibility import differences
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.journal import HeldError, Journal, has_begun, read_journal
from pytest_energybench.results.model import Run


def earlier_run(journal: Path, head: Run, *, continues: bool = True) -> Run:
    """What the journal holds; `head`, which has no cases, if there is none that had begun.

    Args:
        head: this run without cases: the earlier one's figures must be alike.
        continues: this process goes on with the journal, not another one.

    Raises:
        pytest.UsageError: the journal is damaged, or of a run whose figures are not alike.
    """
    try:
        if not has_begun(journal):
            return head
        if continues:
            Journal.claim(journal).close()  # another session may be writing it
        earlier = read_journal(journal).run
    except HeldError as error:
        raise pytest.UsageError(f"--energy-resume: {error}; wait until it has ended") from None
    except ResultsError as error:
        raise pytest.UsageError(f"--energy-resume: {error}; delete it to start anew") from None
    unlike = differences(head, earlier, ignore=())
    if unlike:
        raise pytest.UsageError(
            f"--energy-resume: the run in {journal} is another one ({'; '.join(unlike)});"
            " run with its settings, or delete it to start anew"
        )
    return earlier
