"""`energybench comment RUN.json`: a run as the comment of a pull request."""

from __future__ import annotations

import argparse

FORGES = ("github", "gitlab")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("file", metavar="RUN.json", help="a run file")
    parser.add_argument(
        "--name",
        metavar="NAME",
        default="energy",
        help="stands in the comment's first line, <!-- energybench: NAME -->, by which it is found"
        " and replaced (energy)",
    )
    parser.add_argument(
        "--forge", choices=FORGES, default="github", help="whose limit of length holds (github)"
    )
    parser.add_argument("--note", metavar="TEXT", default="", help="a sentence above the run")
    parser.add_argument("-o", "--output", metavar="OUT", help="file to write (default: print it)")


def run(options: argparse.Namespace) -> int:
    """0 once it is written."""
    from pytest_energybench.cli.report import put
    from pytest_energybench.report.build import run_view
    from pytest_energybench.report.markdown import LONGEST_COMMENT, LONGEST_NOTE, render_comment
    from pytest_energybench.results.run_file import read_run

    loaded = read_run(options.file)
    most = LONGEST_NOTE if options.forge == "gitlab" else LONGEST_COMMENT
    content = render_comment(run_view(loaded), options.name, most=most, note=options.note)
    put(content, loaded, options.file, options.output)
    return 0
