"""`energybench merge R... -o OUT`: one run of several shards, judged again over the whole."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_energybench.results.model import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "runs", metavar="RUN.json", nargs="+", help="run files of the shards, or of other seeds"
    )
    parser.add_argument("-o", "--output", metavar="OUT.json", required=True, help="file to write")
    parser.add_argument("--budgets", metavar="FILE", help="judge by this energy-budgets.toml too")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output if it is there already"
    )
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="merge unlike machines, meters or settings"
    )


def run(options: argparse.Namespace) -> int:
    """0, or 1 if a shard or a planned case is missing, or the merged run fails where no part of it
    did (the file is written all the same)."""
    import msgspec

    from pytest_energybench.base.text import sanitize
    from pytest_energybench.gates.budgets import MOST_BYTES, parse_budgets
    from pytest_energybench.gates.judge import judge_run, settled
    from pytest_energybench.measurement.aggregate import join_parts
    from pytest_energybench.report.text import plural
    from pytest_energybench.results.merge import Part, merge
    from pytest_energybench.results.run_file import read_bytes, read_run, write_run

    budgets = None
    if options.budgets is not None:
        content = read_bytes(options.budgets, most=MOST_BYTES)
        budgets = parse_budgets(content, options.budgets)
    parts = [Part(path, read_run(path)) for path in options.runs]
    pue = parts[0].run.settings.get("pue")
    merged = merge(
        parts,
        join=partial(join_parts, pue=float(pue) if isinstance(pue, int | float) else 1.0),
        allow_mismatch=options.allow_mismatch,
    )
    whole = judge_run(merged.run, budgets=budgets, allow_mismatch=options.allow_mismatch)
    cases = [settled(case) if case.nodeid in merged.joined else case for case in whole.cases]
    whole = msgspec.structs.replace(whole, cases=cases)
    write_run(whole, options.output, overwrite=options.overwrite)
    failed = {nodeid for part in parts for nodeid in _failing(part.run)}
    failures = [line for nodeid, line in _failing(whole).items() if nodeid not in failed]
    for line in (*merged.differing, *merged.missing, *failures):
        print(sanitize(line))
    what = f"{plural(len(whole.cases), 'case')} of {plural(len(options.runs), 'run')}"
    print(sanitize(f"{options.output}: {what}"))
    return 1 if merged.missing or failures else 0


def _failing(run: Run) -> dict[str, str]:
    """Node ids of the cases that fail, with a line that says why."""
    return {
        case.nodeid: f"{case.nodeid}: {case.result.reason}: {case.result.text}"
        for case in run.cases
        if case.result is not None and case.result.kind == "fail"
    }
