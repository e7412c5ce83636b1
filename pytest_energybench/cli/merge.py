"""`energybench merge R... -o OUT`: one run of several shards, judged again over the whole."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("runs", metavar="RUN.json", nargs="+", help="run files of the shards")
    parser.add_argument("-o", "--output", metavar="OUT.json", required=True, help="file to write")
    parser.add_argument("--budgets", metavar="FILE", help="judge by this energy-budgets.toml too")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output if it is there already"
    )
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="merge unlike machines, meters or settings"
    )


def run(options: argparse.Namespace) -> int:
    """0, or 1 if a shard or a planned case is missing (the file is written all the same)."""
    from pytest_energybench.base.text import sanitize
    from pytest_energybench.gates.budgets import MOST_BYTES, parse_budgets
    from pytest_energybench.gates.judge import judge_run
    from pytest_energybench.results.merge import Part, merge
    from pytest_energybench.results.run_file import read_bytes, read_run, write_run

    budgets = None
    if options.budgets is not None:
        content = read_bytes(options.budgets, most=MOST_BYTES)
        budgets = parse_budgets(content, options.budgets)
    merged = merge(
        [Part(path, read_run(path)) for path in options.runs],
        allow_mismatch=options.allow_mismatch,
    )
    whole = judge_run(merged.run, budgets=budgets, allow_mismatch=options.allow_mismatch)
    write_run(whole, options.output, overwrite=options.overwrite)
    for line in (*merged.differing, *merged.missing):
        print(sanitize(line))
    print(sanitize(f"{options.output}: {len(whole.cases)} cases of {len(options.runs)} runs"))
    return 1 if merged.missing else 0
