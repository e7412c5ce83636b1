"""Where a command puts what it makes of a run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pytest_energybench.exceptions import EnergyBenchError

if TYPE_CHECKING:
    from pytest_energybench.results.model import Run


def put(content: str, run: Run, file: str, output: str | None) -> None:
    """Print it, or write it to `output`, which is another file than the run's own.

    Raises:
        EnergyBenchError: it would replace the run file.
        WriteError: it can't be written; what was there stays.
    """
    from pytest_energybench.base.text import sanitize
    from pytest_energybench.report.text import plural
    from pytest_energybench.results.atomic import write_atomically

    if output is None:
        sys.stdout.write(content)
        return
    if os.path.exists(output) and os.path.samefile(file, output):
        raise EnergyBenchError(f"-o {output}: this is the run file, which would be lost")
    write_atomically(output, content.encode(), overwrite=True)
    print(sanitize(f"{output}: {plural(len(run.cases), 'case')}"))
