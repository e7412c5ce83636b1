"""`energybench doctor`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--quick", action="store_true", help="leave out the self-test of 5 seconds")


def run(options: argparse.Namespace) -> int:
    """0 if every part of the machine is measured or at least estimated, else 1."""
    from pytest_energybench.metering import doctor

    diagnosis = doctor.diagnose(quick=options.quick)
    if options.json:
        print(doctor.to_json(diagnosis).decode())
    else:
        print(doctor.render(diagnosis))
    return diagnosis.exit_status
