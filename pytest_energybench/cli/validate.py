"""`energybench validate`: hold the processor's estimate against its counter."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--seconds", metavar="S", type=float, default=5.0, help="of each load, 1 or more (5)"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(options: argparse.Namespace) -> int:
    """0 if the stated error held at nine of ten loads, else 1."""
    from pytest_energybench.exceptions import EnergyBenchError
    from pytest_energybench.metering import validation

    if not 1.0 <= options.seconds < 3600.0:
        raise EnergyBenchError(
            "--seconds: 1 or more, since counters and clocks need time to settle"
        )
    found = validation.validate(options.seconds)
    print(validation.to_json(found).decode() if options.json else validation.render(found))
    return found.exit_status
