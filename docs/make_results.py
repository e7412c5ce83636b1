"""Write the figures of docs/paper-results.md from the published runs; the words around them stay.

The paper's tables, figures and claims are written beside the run file.

python docs/make_results.py                     # of reports/reproduction and reports/threshold
python docs/make_results.py --check             # exit status 1 if the page says otherwise
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import threshold_sweep
from figures_page import renew
from paper_tables import tables

from pytest_energybench.experiment.paper.publish import publish
from pytest_energybench.results.run_file import read_run

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "paper-results.md"
RUN = ROOT / "reports" / "reproduction" / "energy.json"
SWEEP = ROOT / "reports" / "threshold"
DRAWING = "threshold.svg"


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    figures = "\n".join(lines(draw=not arguments.check)).rstrip()
    return renew(TARGET, figures, command="python docs/make_results.py", check=arguments.check)


def lines(*, draw: bool) -> Iterator[str]:
    """All figures of the page; with `draw`, what lies beside it and the run is written, too."""
    run = read_run(RUN)
    if draw:
        publish(run, RUN.parent)
    yield from tables(run)
    sweep = threshold_sweep.by_drop(SWEEP)
    if not sweep:
        return
    if draw:
        threshold_sweep.draw(sweep, TARGET.with_name(DRAWING))
    yield f"![Energy with its search over the change of accuracy, by method]({DRAWING})\n"
    for model in threshold_sweep.models(sweep):
        yield from threshold_sweep.table(sweep, model)


if __name__ == "__main__":
    sys.exit(main())
