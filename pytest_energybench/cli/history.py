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
    from pytest_energybench.results.git import MAIN
    from pytest_energybench.results.history import read_history, told_left_out

    asked = [e for e in read_history(options.storage) if (options.case or "") in e.nodeid]
    entries = [each for each in asked if each.is_of(options.branch) or each.is_of_no_branch]
    left_out = told_left_out(entries)
    found = history.trends([each for each in entries if not each.left_out])
    if not found:
        branch = options.branch or " or ".join(MAIN)
        elsewhere = f"other branches ({len(asked) - len(entries):,})" * (len(asked) > len(entries))
        why = ", ".join(filter(None, [left_out, elsewhere]))
        nothing = f"no run of {options.case or 'any case'} on {branch} to show"
        print(sanitize(f"{nothing}{'; left out: ' * bool(why)}{why}"))
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
    if left_out:
        print(sanitize(f"left out: {left_out}"))
    return 0
