"""`energybench export RUN.json --format=F`: a run in the format of another tool."""

from __future__ import annotations

import argparse

FORMATS = ("github-benchmark", "bencher", "openmetrics", "csv", "boamps", "hyperfine", "badge")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("file", metavar="RUN.json", help="a run file")
    parser.add_argument("--format", choices=FORMATS, required=True, help="whose format")
    parser.add_argument("--case", metavar="NODEID", help="only this case; boamps takes one")
    parser.add_argument("-o", "--output", metavar="OUT", help="file to write (default: print it)")


def run(options: argparse.Namespace) -> int:
    """0 once it is written."""
    import msgspec

    from pytest_energybench.cli.report import put
    from pytest_energybench.exceptions import EnergyBenchError
    from pytest_energybench.report import export
    from pytest_energybench.results.run_file import read_run

    loaded = read_run(options.file)
    if options.case is not None:
        chosen = [case for case in loaded.cases if case.nodeid == options.case]
        if not chosen:
            raise EnergyBenchError(f"--case: {options.file} has no case {options.case}")
        loaded = msgspec.structs.replace(loaded, cases=chosen)
    content = export.FORMATS[options.format](loaded)
    put(content, loaded, options.file, options.output)
    return 0
