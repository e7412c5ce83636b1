"""The command line: a subcommand is a file with `add_arguments` and `run`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NoReturn

from pytest_energybench import __version__
from pytest_energybench.cli import (
    bisect,
    comment,
    compare,
    doctor,
    export,
    history,
    merge,
    null,
    report,
    run,
    validate,
)
from pytest_energybench.cli.endings import UNREAD, ended_by_signals, let_go_of_output, status_of
from pytest_energybench.exceptions import EnergyBenchError

COMMANDS: Mapping[ModuleType, str] = {
    doctor: "what this machine can meter, how well, and how to mend what is missing",
    validate: "hold the processor's estimate against its counter, from one busy thread to all",
    run: "meter any command: rounds, comparison with another one, budget, report",
    report: "make the HTML page (or Markdown, or CSV) of a run file",
    comment: "write a run as the comment of a pull request",
    compare: "put run files side by side",
    bisect: "find the commit from which on a case uses more",
    export: "write a run in the format of another tool",
    merge: "make one run of several shards, and judge it again",
    history: "show what cases used over time, and the commits that changed it",
    null: "run cases against themselves: this machine's noise floor",
}
"""A subcommand's file -> what it is for."""

USAGE_ERROR = 4
"""Exit status for input that can't be used, as pytest's own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    from pytest_energybench.report.encoding import make_streams_fit

    make_streams_fit()
    options = build_parser().parse_args(arguments)
    from pytest_energybench.base.text import sanitize

    def say(text: str) -> None:
        for line in f"energybench {options.command}: {text}".splitlines():
            print(sanitize(line), file=sys.stderr)

    try:
        with ended_by_signals():
            status = int(options.run(options))
            print(end="", flush=True)
        return status
    except EnergyBenchError as error:
        say(str(error))
        return USAGE_ERROR
    except BrokenPipeError:  # `energybench compare ... | head`: a gate's result is not told
        let_go_of_output()
        return UNREAD
    except OSError as error:
        say(f"{error.filename or 'output'}: {error.strerror or error}")
        let_go_of_output()
        return USAGE_ERROR
    except KeyboardInterrupt as interrupt:
        say("interrupted")
        return status_of(interrupt)


class _Parser(argparse.ArgumentParser):
    """Ends with this command line's own status for what it can't read."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="energybench", description="Measures how much energy tests use, and gates on it."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module, summary in COMMANDS.items():
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
