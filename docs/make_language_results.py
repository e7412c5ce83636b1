"""Write the figures of docs/language-results.md from the merged runs; the words around them stay.

python docs/make_language_results.py            # from reports/language/SIZE.json, those there are
python docs/make_language_results.py --check    # exit status 1 if the page says otherwise
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from figures_page import renew
from language_tables import tables

from pytest_energybench.experiment.training.language.sizes import SIZES
from pytest_energybench.results.run_file import read_run

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "language-results.md"
RUNS = ROOT / "reports" / "language"
NO_RUN = "The run isn't published yet."


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    found = "\n".join(figures(RUNS)).rstrip()
    if not found:
        print(
            "reports/language/quick.json is missing: SIZES=quick sh bench_cases/language_run.sh"
            " reports/language makes it"
        )
    command = "python docs/make_language_results.py"
    return renew(TARGET, found or NO_RUN, command=command, check=arguments.check)


def figures(folder: Path) -> Iterator[str]:
    """Lines of all sizes that have a run in the folder, the smallest first."""
    for size in SIZES:
        if (path := folder / f"{size}.json").exists():
            yield from tables(size, read_run(path))


if __name__ == "__main__":
    sys.exit(main())
