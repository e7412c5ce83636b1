"""`energybench null -- CASE`: A against A, so that what is left is this machine's noise."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energybench.exceptions import EnergyBenchError

if TYPE_CHECKING:
    from pytest_energybench.gates.statistics import Estimate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--rounds", metavar="N", type=int, default=5, help="pairs of rounds, 2 or more (5)"
    )
    parser.add_argument("--storage", metavar="DIR", default=".energy", help="default: .energy")
    parser.add_argument("case", metavar="CASE", nargs="+", help="pytest's own words for the tests")


def run(options: argparse.Namespace) -> int:
    """0 if every case could be compared with itself, 1 if one failed."""
    from pytest_energybench.base.text import sanitize
    from pytest_energybench.results.run_file import read_run
    from pytest_energybench.results.storage import Floor, keep_floors, meters_of

    if options.rounds < 2:
        raise EnergyBenchError("--rounds: 2 or more, since one pair tells nothing of noise")
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
            raise EnergyBenchError(f"pytest ended with exit status {status} and no figures")
        run = read_run(file)
    found = {case.nodeid: _paired([entry.total_j for entry in case.rounds]) for case in run.cases}
    print(_table([_row(sanitize(case.name), found[case.nodeid]) for case in run.cases]))
    floors = [
        Floor(
            machine=run.machine.fingerprint,
            meters=meters_of(run),
            nodeid=nodeid,
            floor=estimate.noise_floor,
            pairs=estimate.n,
            created=run.created,
        )
        for nodeid, estimate in found.items()
        if estimate is not None
    ]
    if floors:
        kept = keep_floors(options.storage, floors)
        print(sanitize(f"kept in {kept}: a gate warns of a margin below it"))
    return 1 if status else 0


def _paired(joules: list[float | None]) -> Estimate | None:
    """A case's rounds as pairs A and A', first and last in turn (ABBA); None if one is lost."""
    from pytest_energybench.gates.statistics import paired

    known = [each for each in joules if each]
    if len(known) < len(joules) or len(known) < 4:
        return None
    ours = [known[i + i // 2 % 2] for i in range(0, len(known) - 1, 2)]
    theirs = [known[i + 1 - i // 2 % 2] for i in range(0, len(known) - 1, 2)]
    return paired(theirs, ours)


def _row(name: str, found: Estimate | None) -> list[str]:
    from pytest_energybench.gates.quantities import interval, percent, share
    from pytest_energybench.gates.statistics import relative

    if found is None:
        return [name, "", "unknown", "", ""]
    lower, upper = found.bounds
    return [
        name,
        str(found.n),
        percent(relative(found.log_ratio)),
        interval((relative(lower), relative(upper))),
        share(round(found.noise_floor, 4)),
    ]


def _table(rows: list[list[str]]) -> str:
    from tabulate import tabulate

    header = ["case", "pairs", "A against A", "one-sided 95 % bounds", "noise floor"]
    return tabulate(rows, header, tablefmt="simple", disable_numparse=True)
