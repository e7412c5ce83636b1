"""`energybench report RUN.json -o OUT.html`: the page of a run, made from its file."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pytest_energybench.exceptions import EnergyBenchError

if TYPE_CHECKING:
    from pytest_energybench.results.model import Run

FORMATS = {".html": "html", ".htm": "html", ".md": "markdown", ".csv": "csv"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("file", metavar="RUN.json", help="a run file")
    parser.add_argument("--compare", metavar="BASE.json", help="judge it against this run file")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="file to write; its ending says what: .html, .md or .csv",
    )
    parser.add_argument(
        "--margin", metavar="PERCENT", default="3 %", help="increase that is tolerated (3 %%)"
    )
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="compare unlike machines, meters or settings"
    )


def run(options: argparse.Namespace) -> int:
    """0 once the file is written."""
    from pytest_energybench.gates.parse import parse_fraction
    from pytest_energybench.gates.stored import compare_stored
    from pytest_energybench.results.run_file import read_run

    output = Path(options.output)
    form = FORMATS.get(output.suffix.lower())
    if form is None:
        raise EnergyBenchError(f"-o {output}: its ending is none of {', '.join(FORMATS)}")
    loaded = read_run(options.file)
    if options.compare is not None:
        loaded, _ = compare_stored(
            loaded,
            read_run(options.compare),
            name=options.compare,
            margin=parse_fraction(options.margin),
            allow_mismatch=options.allow_mismatch,
        )
    put(rendered(loaded, form), loaded, options.file, options.output)
    return 0


def rendered(run: Run, form: str) -> str:
    """The run as a page, Markdown or CSV; `form` is one of the values of `FORMATS`."""
    if form == "html":
        return _page(run)
    if form == "markdown":
        from pytest_energybench.report.build import run_view
        from pytest_energybench.report.markdown import render_markdown

        return render_markdown(run_view(run))
    from pytest_energybench.report.tables import render_csv

    return render_csv(run)


def _page(run: Run) -> str:
    """The page, with the paper's tables and figures where the cases are the paper's."""
    from pytest_energybench.base.text import sanitize
    from pytest_energybench.experiment.paper.publish import is_the_papers, publish
    from pytest_energybench.report.build import run_view
    from pytest_energybench.report.html import render_html

    if not is_the_papers(run):
        return render_html(run_view(run))
    with TemporaryDirectory(prefix="energybench-") as folder:
        published = publish(run, Path(folder))
        for line in published.left_out:
            print(sanitize(line))
        found = [] if published.headline is None else [published.headline]
        return render_html(run_view(run), [*found, *published.figures, *published.tables])


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
