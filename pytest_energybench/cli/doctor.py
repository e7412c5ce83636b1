"""`energybench doctor`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--quick", action="store_true", help="leave out the self-test of 5 seconds")
    parser.add_argument(
        "--meters", metavar="NAMES", help="look at these, as with --energy-meters (default: auto)"
    )
    parser.add_argument(
        "--validate", action="store_true", help="as `energybench validate`, in place of all else"
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="print what lets users read RAPL's counters, and what that means for security; "
        "changes nothing",
    )


def run(options: argparse.Namespace) -> int:
    """0 if every part of the machine is measured or at least estimated, else 1."""
    if options.validate:
        from pytest_energybench.cli import validate

        options.seconds = 5.0
        return validate.run(options)
    from pytest_energybench.metering import doctor

    if options.fix:
        from pytest_energybench.metering.powercap import powercap_root

        print(doctor.advice(powercap_root()))
        return 0
    from pytest_energybench.metering.diagnosis import diagnose
    from pytest_energybench.metering.discovery import discover

    diagnosis = diagnose(quick=options.quick, meter=discover(options.meters))
    if options.json:
        print(doctor.to_json(diagnosis).decode())
    else:
        print(doctor.render(diagnosis))
    return diagnosis.exit_status
