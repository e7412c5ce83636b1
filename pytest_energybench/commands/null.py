"""`energybench null -- CASE`: A against A, so that what is left is this machine's noise."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--rounds", metavar="N", type=int, default=5, help="pairs of rounds, 2 or more (5)"
    )
    parser.add_argument("case", metavar="CASE", nargs="+", help="pytest's own words for the tests")


def run(options: argparse.Namespace) -> int:
    """0 where every case could be compared with itself, 1 where one failed."""
    from pytest_energybench.cli import CommandError
    from pytest_energybench.results.files import read_run

    if options.rounds < 2:
        raise CommandError("--rounds: 2 or more, since one pair tells nothing of noise")
    with tempfile.TemporaryDirectory(prefix="energybench-") as folder:
        file = Path(folder) / "null.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            *options.case,
            f"--energy-rounds={2 * options.rounds}",
            f"--energy-json={file}",
        ]
        status = subprocess.run(command, check=False).returncode
        if not file.exists():
            raise CommandError(f"pytest ended with exit status {status} and no figures")
        cases = read_run(file).cases
    print(_table([_row(case.name, [entry.total_j for entry in case.rounds]) for case in cases]))
    return 1 if status else 0


def _row(name: str, joules: list[float | None]) -> list[str]:
    """A case's rounds as pairs A and A', first and last in turn (ABBA)."""
    from pytest_energybench.gates.quantity import format_change, format_percentage
    from pytest_energybench.gates.statistics import paired, relative

    known = [each for each in joules if each]
    if len(known) < len(joules) or len(known) < 4:
        return [name, str(len(known)), "unknown", "", ""]
    ours = [known[i + i // 2 % 2] for i in range(0, len(known) - 1, 2)]
    theirs = [known[i + 1 - i // 2 % 2] for i in range(0, len(known) - 1, 2)]
    found = paired(theirs, ours)
    lower, upper = (relative(bound) for bound in found.bounds)
    return [
        name,
        str(found.n),
        format_change(relative(found.log_ratio)),
        f"{format_change(lower)} to {format_change(upper)}",
        format_percentage(round(found.noise_floor, 4)),
    ]


def _table(rows: list[list[str]]) -> str:
    from tabulate import tabulate

    header = ["case", "pairs", "A against A", "one-sided 95 % bounds", "noise floor"]
    return tabulate(rows, header, tablefmt="simple", disable_numparse=True)
