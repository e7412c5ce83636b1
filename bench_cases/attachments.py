"""What the paper adds to a report of these cases: its finding, tables, figures and claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energybench.report.attachments import Attachment
    from pytest_energybench.results.model import Run


def paper_attachments(config: pytest.Config, run: Run, folder: Path) -> list[Attachment]:
    """Write them into `folder`, and say which figures could not be drawn.

    Called for a report alone; matplotlib is imported here and not before.
    """
    from pytest_energybench.experiment.paper.publish import publish

    published = publish(run, folder)
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and published.left_out:
        terminal.ensure_newline()
        for line in published.left_out:
            terminal.write_line(line)
    found = [] if published.headline is None else [published.headline]
    return [*found, *published.figures, *published.tables]
