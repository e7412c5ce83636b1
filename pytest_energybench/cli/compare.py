"""`energybench compare A B [C...]`: run files side by side, the first as the reference."""

from __future__ import annotations

import argparse

from pytest_energybench.exceptions import EnergyBenchError

FORMATS = {"terminal": "simple", "markdown": "github"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="names of stored runs, or run files; two or more"
    )
    parser.add_argument(
        "--format", choices=(*FORMATS, "csv"), default="terminal", help="default: terminal"
    )
    parser.add_argument(
        "--margin", metavar="PERCENT", default="3 %", help="increase that is tolerated (3 %%)"
    )
    parser.add_argument("--storage", metavar="DIR", default=".energy", help="default: .energy")
    parser.add_argument(
        "--fail-on", metavar="KINDS", default="nothing", help="exit with 1 on these, e.g. more"
    )
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="compare unlike machines, meters or settings"
    )


def run(options: argparse.Namespace) -> int:
    """0, or 1 if something was found that `--fail-on` names; a run without a case to compare, or
    one that was cut short, is `not-measured`."""
    import sys

    from tabulate import tabulate

    from pytest_energybench.base.text import sanitize
    from pytest_energybench.gates.fail_on import FailOnError, failures, parse_fail_on, warnings
    from pytest_energybench.gates.parse import parse_fraction
    from pytest_energybench.gates.results import key_of
    from pytest_energybench.gates.stored import compare_stored
    from pytest_energybench.report.tables import compared_csv, compared_rows
    from pytest_energybench.results.model import NOT_MEASURED
    from pytest_energybench.results.storage import Storage, read_floors

    if len(options.runs) < 2:
        raise EnergyBenchError(
            "give two runs or more; the first is what the others are compared with"
        )
    try:
        kinds = parse_fail_on(options.fail_on)
    except FailOnError as error:
        raise EnergyBenchError(f"--fail-on: {error}") from None
    storage = Storage(options.storage)
    reference, *others = [storage.load(name) for name in options.runs]
    floors = read_floors(options.storage)
    judged = [reference]
    failed: list[str] = []
    notes = [f"{options.runs[0]}: {line}" for line in reference.gaps]
    unmeasured = failed if key_of(NOT_MEASURED) in kinds else notes
    for label, other in zip(options.runs[1:], others, strict=True):
        compared, summary = compare_stored(
            other,
            reference,
            name=options.runs[0],
            margin=parse_fraction(options.margin),
            allow_mismatch=options.allow_mismatch,
            floors=floors,
            fails=kinds,
        )
        judged.append(compared)
        failed += failures(compared, summary, kinds)
        notes += [f"{label}: {line}" for line in warnings(compared)]
        notes += [f"{label}: {summary.noise}"] if summary.noise else []
        nothing = [] if summary.compared else [f"no case was held against {options.runs[0]}"]
        unmeasured += [f"{label}: {line}" for line in [*nothing, *other.gaps]]
        if summary.differences:
            word = "compared although they differ" if summary.allowed else "not comparable"
            notes.append(f"{label}: {word}: {'; '.join(summary.differences)}")
    if options.format == "csv":
        print(compared_csv(options.runs, judged), end="")
    else:
        head, rows = compared_rows(options.runs, judged)
        print(tabulate(rows, head, tablefmt=FORMATS[options.format], disable_numparse=True))
        for note in notes:
            print(sanitize(note))
    for line in failed:  # a table of values holds nothing else
        print(sanitize(line), file=sys.stderr if options.format == "csv" else sys.stdout)
    return 1 if failed else 0
