"""`energybench history [CASE]`: what cases used over time, and the commits that changed it."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("case", metavar="CASE", nargs="?", help="part of a node id; all without")
    parser.add_argument("--branch", metavar="NAME", default="", help="default: main or master")
    parser.add_argument("--storage", metavar="DIR", default=".energy", help="default: .energy")


def run(options: argparse.Namespace) -> int:
    """0, or 1 if no case is shown."""
    from tabulate import tabulate

    from pytest_energybench.base.text import sanitize
    from pytest_energybench.report import history
    from pytest_energybench.results.history import of_branch, read_history

    entries = of_branch(read_history(options.storage), options.branch)
    found = history.trends([each for each in entries if (options.case or "") in each.nodeid])
    if not found:
        print(sanitize(f"no run of {options.case or 'any case'} on {options.branch or 'main'}"))
        return 1
    one = found[0] if options.case and len(found) == 1 else None
    head = history.HEAD if one is None else history.HEAD_ONE
    rows = history.rows(found) if one is None else history.rows_of_one(one)
    if one is not None:
        print(sanitize(one.nodeid))
    print(tabulate(rows, head, tablefmt="simple", disable_numparse=True))
    for each in found:
        if each.others:
            print(
                sanitize(
                    f"{each.nodeid}: {each.others} runs with other machines, meters, settings,"
                    " rounds or units are not shown"
                )
            )
    return 0
