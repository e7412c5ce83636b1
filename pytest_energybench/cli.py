"""The command line: `energybench doctor | report | compare | merge | null`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from pytest_energybench import __version__

COMMANDS = {
    "doctor": "what this machine can meter, how well, and how to mend what is missing",
    "report": "make the HTML page (or Markdown, or CSV) of a run file",
    "compare": "put run files side by side",
    "merge": "make one run of several shards, and judge it again",
    "null": "run cases against themselves: this machine's noise floor",
}

USAGE_ERROR = 4
"""Exit status for input that can't be used, as pytest's own."""


class CommandError(Exception):
    """What a user can mend; the message is a line or two."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    options = _parser().parse_args(arguments)
    from pytest_energybench.gates.budgets import BudgetsError
    from pytest_energybench.gates.quantity import QuantityError
    from pytest_energybench.metering.errors import LockTimeoutError, MeterError
    from pytest_energybench.results.errors import ResultsError

    try:
        return int(options.run(options))
    except (
        CommandError,
        ResultsError,
        BudgetsError,
        QuantityError,
        MeterError,
        LockTimeoutError,
    ) as error:
        print(f"energybench {options.command}: {error}", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:  # `energybench compare ... | head`
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="energybench", description="Energy as a thing that tests can assert."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        module = import_module(f"pytest_energybench.commands.{name}")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
