"""`energybench run -- CMD`: the energy of any command, with rounds, noise, report and gates."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_energybench.exceptions import EnergyBenchError

if TYPE_CHECKING:
    from pytest_energybench.measurement.command import Conduct
    from pytest_energybench.measurement.command_cases import CommandCase, Limits
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.results.model import Case, Run, Scalar

T = TypeVar("T")

GATE_FAILED = 1
COMMAND_FAILED = 3

GROUP = "run"
WIDEST = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.epilog = f"Exit status: {' '.join((run.__doc__ or '').split())}"
    add = parser.add_argument
    add("words", metavar="CMD", nargs="*", help="the command and its arguments, after `--`")
    add("-r", "--rounds", metavar="N", type=int, default=1, help="independent runs (1)")
    add("-w", "--warmup", metavar="N", type=int, default=0, help="unmetered runs before them (0)")
    add(
        "--iterations",
        metavar="N",
        type=int,
        default=1,
        help="runs in one round's window, where one is too short for the meter; figures are per"
        " run (1)",
    )
    add("--cooldown", metavar="TIME", help="how long to wait between rounds, unmetered (0 s)")
    add("-p", "--prepare", metavar="CMD", help="command to run before each round, unmetered")
    add(
        "-L",
        "--list",
        metavar=("NAME", "VALUES"),
        nargs=2,
        action="append",
        default=[],
        help="a case for each of these values (a comma list; in a value a comma is `\\,`), which"
        " stand for {NAME} in the commands; several lists give all combinations",
    )
    add("-n", "--name", metavar="NAME", help="what the command is called, in place of its text")
    add("--compare", metavar="CMD", help="run this one in turn with it, and compare them")
    add("--margin", metavar="PERCENT", default="3 %", help="increase that is tolerated (3 %%)")
    add(
        "--fail-on",
        metavar="KINDS",
        help="what of that comparison fails, as for --energy-fail-on, or nothing",
    )
    add(
        "--budget",
        metavar="ENERGY",
        action="append",
        default=[],
        help="the most that a run may use, e.g. '40 J'; what can't be judged fails",
    )
    add("--shell", action="store_true", help="let the shell read the commands")
    add("--input", metavar="FILE", help="standard input of each run")
    add(
        "--show-output",
        action="store_true",
        help="show the command's output; by default it is shown where there is one run only",
    )
    add("--timeout", metavar="TIME", help="end a run after this time; it has failed then")
    add(
        "-i",
        "--ignore-failure",
        action="store_true",
        help="any exit status of a command is good, but not of --prepare",
    )
    add("--meters", metavar="NAMES", help="as --energy-meters (default: auto)")
    add(
        "--allow-missing",
        metavar="DOMAINS",
        default="",
        help="as --energy-allow-missing (default: none)",
    )
    add(
        "--export",
        metavar="FORMAT[=FILE]",
        action="append",
        default=[],
        help="write json (the run file), html, markdown, csv, hyperfine, or another format of"
        " `energybench export`; without FILE to standard output, and all else to standard error",
    )


def run(options: argparse.Namespace) -> int:
    """0 if every run ended well and what was asked holds; 1 if a budget or the comparison failed or
    could not be judged; 3 if a command failed, whose own exit status or signal is in the message;
    126 if it can't be executed, 127 if it isn't there; 130 after Ctrl-C, 143 after SIGTERM and
    129 after SIGHUP, which end all that was started. Only with 0 and 1 files are written.
    """
    from pytest_energybench.cli.endings import status_of
    from pytest_energybench.measurement.command import NotStartedError, adopting_orphans

    for name, least in (("rounds", 1), ("warmup", 0), ("iterations", 1)):
        if getattr(options, name) < least:
            raise EnergyBenchError(f"--{name}: a whole number, {least} or more")
    if options.prepare is not None and options.iterations > 1:
        raise EnergyBenchError("--prepare runs once a round: it can't go with --iterations")
    files = [_export(text) for text in options.export]
    written = [os.path.abspath(file) for _, file in files if file is not None]
    if twice := next((name for name in written if written.count(name) > 1), None):
        raise EnergyBenchError(f"--export: two formats go to {twice}")
    to_stdout = sum(file is None for _, file in files)
    if to_stdout > 1:
        raise EnergyBenchError("--export: one format goes to standard output, others to a FILE")
    try:
        with adopting_orphans():
            return _run(options, files, bool(to_stdout))
    except NotStartedError as error:
        _say(f"energybench run: {error}")
        return error.status
    except KeyboardInterrupt as interrupt:
        _say("energybench run: interrupted; what was started is ended, and no file is written")
        return status_of(interrupt)


def _run(
    options: argparse.Namespace, files: Sequence[tuple[str, Path | None]], to_stdout: bool
) -> int:
    from pytest_energybench.gates.parse import parse_duration
    from pytest_energybench.measurement.command_cases import judge, metered_cases
    from pytest_energybench.metering.discovery import discover
    from pytest_energybench.metering.locks import Patience

    limits = _limits(options)
    cases = _cases(options, to_stderr=to_stdout)
    settings = _settings(options)
    if len(cases) > 1 and any(form == "boamps" for form, _ in files):
        raise EnergyBenchError(f"--export boamps: a report is of one task, not of {len(cases)}")
    meter = discover(
        options.meters, patience=Patience(tell=_say), allow_missing=_names(options.allow_missing)
    )
    if options.cooldown is not None:
        meter.cooldown_s = _parsed("--cooldown", parse_duration, options.cooldown)
    made, failed = metered_cases(
        cases,
        meter,
        rounds=options.rounds,
        warmup=options.warmup,
        iterations=options.iterations,
        tell=_say if sys.stderr.isatty() else lambda _: None,
    )
    run = _as_run(settings, meter, judge(made, limits) if failed is None else made)
    if any(case.rounds for case in run.cases):
        _show(run, to_stdout)
    if failed is not None:
        for line in f"energybench run: {failed}".splitlines():
            _say(line)
        if files:
            _say("no file is written")
        return COMMAND_FAILED
    for form, file in files:
        _write(run, form, file)
    kinds = {case.result.kind for case in run.cases if case.result is not None}
    return GATE_FAILED if "fail" in kinds else 0


def _limits(options: argparse.Namespace) -> Limits:
    from pytest_energybench.gates.fail_on import parse_fail_on
    from pytest_energybench.gates.parse import parse_energy_limit, parse_margin
    from pytest_energybench.gates.results import DEFAULT_FAILS
    from pytest_energybench.measurement.command_cases import Limits

    fails: Collection[str] = DEFAULT_FAILS
    if options.fail_on is not None:
        fails = _parsed("--fail-on", parse_fail_on, options.fail_on)
    budgets = [_parsed("--budget", parse_energy_limit, text) for text in options.budget]
    if unit := next((limit.unit for limit in budgets if limit.unit), ""):
        raise EnergyBenchError(
            f"--budget: a command counts no {unit}; a limit is per run, e.g. 40 J"
        )
    return Limits(
        budgets=budgets, margin=_parsed("--margin", parse_margin, options.margin), fails=fails
    )


def _cases(options: argparse.Namespace, *, to_stderr: bool) -> list[CommandCase]:
    """The command with each combination of values; each reference goes before its first case."""
    combinations = list(_combinations(options))
    runs = options.rounds * options.iterations + options.warmup
    once = len(combinations) * runs == 1 and options.compare is None
    conduct = _conduct(options, once=once, to_stderr=to_stderr)
    groups: dict[tuple[str, ...], str] = {}
    found: list[CommandCase] = []
    for values in combinations:
        group = None
        if options.compare is not None:
            texts = options.compare, options.prepare or ""
            used = {name: values[name] for name in values if any(f"{{{name}}}" in t for t in texts)}
            alike = tuple(used.values())
            if alike not in groups:
                groups[alike] = f"{GROUP} {len(groups) + 1}" if groups else GROUP
                other = _filled(options.compare, values)
                found.append(_case(options, conduct, other, used, groups[alike]))
            group = groups[alike]
        words = [_filled(word, values) for word in options.words]
        found.append(_case(options, conduct, words, values, group))
    return _told_apart(found)


def _case(
    options: argparse.Namespace,
    conduct: Conduct,
    given: str | Sequence[str],
    values: Mapping[str, str],
    group: str | None,
) -> CommandCase:
    """A text is the reference of its group, words are the command itself."""
    from pytest_energybench.measurement.command import Command
    from pytest_energybench.measurement.command_cases import CommandCase
    from pytest_energybench.results.model import Case
    from pytest_energybench.results.redaction import private_text

    is_reference = isinstance(given, str)
    command = Command.of(given, conduct, "--compare" if is_reference else "")
    name = command.text
    if options.name is not None and not is_reference:
        name = options.name + (f"[{'-'.join(values.values())}]" if values else "")
    name = private_text(name)
    prepare = None
    if options.prepare is not None:  # the input and `-i` are the command's
        apart = dataclasses.replace(conduct, reads=False, input=None, ignores_status=False)
        prepare = Command.of(_filled(options.prepare, values), apart, "--prepare")
    return CommandCase(
        Case(nodeid=name, name=name, group=group, baseline=is_reference, params={**values}),
        command,
        prepare,
    )


def _told_apart(cases: Sequence[CommandCase]) -> list[CommandCase]:
    """The cases, each with a name of its own: a command may be compared with itself."""
    from msgspec.structs import replace

    found: dict[str, CommandCase] = {}
    for each in cases:
        name = each.case.name
        while name in found:
            name += " (again)"
        found[name] = dataclasses.replace(each, case=replace(each.case, nodeid=name, name=name))
    return list(found.values())


def _conduct(options: argparse.Namespace, *, once: bool, to_stderr: bool) -> Conduct:
    from pytest_energybench.gates.parse import parse_duration
    from pytest_energybench.measurement.command import Conduct

    if options.input not in (None, os.devnull) and not Path(options.input).is_file():
        raise EnergyBenchError(f"--input: there is no file {options.input}")
    return Conduct(
        shell=options.shell,
        shows=options.show_output or once,
        to_stderr=to_stderr,
        reads=once and options.input is None,
        input=None if options.input is None else Path(options.input),
        timeout_s=options.timeout and _parsed("--timeout", parse_duration, options.timeout),
        ignores_status=options.ignore_failure,
    )


def _parsed(option: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise EnergyBenchError(f"{option}: {error}") from None


def _combinations(options: argparse.Namespace) -> Iterator[Mapping[str, str]]:
    lists: dict[str, list[str]] = {}
    for name, text in options.list:
        if not any(f"{{{name}}}" in word for word in options.words):
            raise EnergyBenchError(f"-L {name}: the command has no {{{name}}} to put a value for")
        if name in lists:
            raise EnergyBenchError(f"-L {name}: this name has two lists")
        values = (value.replace("\\,", ",") for value in re.split(r"(?<!\\),", text))
        lists[name] = list(dict.fromkeys(values))
    for combination in product(*lists.values()):
        yield dict(zip(lists, combination, strict=True))


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each `{NAME}` replaced; what a value holds stays as it is."""
    names = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({names})\}}", lambda found: values[found[1]], text) if values else text


def _settings(options: argparse.Namespace) -> dict[str, Scalar]:
    """What the figures depend on beside the commands: their input by its content, and how they are
    run where that is not the default."""
    from pytest_energybench.measurement.conditions import conditions
    from pytest_energybench.results.redaction import private_text

    of_its_own: dict[str, Scalar] = {
        "warmup": options.warmup,
        "prepare": options.prepare and private_text(options.prepare),
        "shell": options.shell,
        "ignore_failure": options.ignore_failure,
        "input": options.input not in (None, os.devnull) and _digest(options.input),
        "allow_missing": options.allow_missing,
    }
    return {
        "meters": options.meters or "auto",
        "rounds": options.rounds,
        **conditions(),
        **{name: value for name, value in of_its_own.items() if value},
    }


def _digest(file: str) -> str:
    import hashlib

    try:
        with open(file, "rb") as content:
            return f"blake2b {hashlib.file_digest(content, 'blake2b').hexdigest()[:12]}"
    except OSError as error:
        raise EnergyBenchError(f"--input: {file}: {error.strerror}") from None


def _as_run(settings: dict[str, Scalar], meter: Meter, cases: Sequence[Case]) -> Run:
    from msgspec.structs import replace

    from pytest_energybench.measurement.run_head import run_head

    if meter.cooldown_s:
        settings = {**settings, "cooldown_s": meter.cooldown_s}
    return replace(run_head(meter, settings, folder=Path()), cases=list(cases))


def _show(run: Run, to_stderr: bool) -> None:
    from pytest_energybench.report.build import run_view
    from pytest_energybench.report.terminal import terminal_report

    stream = sys.stderr if to_stderr else sys.stdout
    sys.stdout.flush()
    print(terminal_report(run_view(run), width=WIDEST, color=stream.isatty()), file=stream)


def _export(text: str) -> tuple[str, Path | None]:
    from pytest_energybench.cli.report import FORMATS as PAGES
    from pytest_energybench.report.export import FORMATS

    form, given, file = text.partition("=")
    formats = ["json", *dict.fromkeys(PAGES.values()), *FORMATS]
    if form not in formats:
        known = ", ".join(dict.fromkeys(formats))
        raise EnergyBenchError(f"--export {text}: {form!r} is no format: one of {known}")
    if given and not file:
        raise EnergyBenchError(f"--export {text}: no file stands behind the =")
    if given and Path(file).is_dir():
        raise EnergyBenchError(f"--export {text}: {file} is a folder")
    return form, Path(file) if given else None


def _write(run: Run, form: str, file: Path | None) -> None:
    from pytest_energybench.cli.report import FORMATS as PAGES
    from pytest_energybench.cli.report import rendered
    from pytest_energybench.report.export import FORMATS
    from pytest_energybench.results.atomic import write_atomically
    from pytest_energybench.results.run_file import encode_run

    if form == "json":
        content = encode_run(run)
    elif form in PAGES.values():
        content = rendered(run, form).encode()
    else:
        content = FORMATS[form](run).encode()
    if file is None:
        sys.stdout.write(content.decode())
    else:
        write_atomically(file, content, overwrite=True)


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _say(line: str) -> None:
    from pytest_energybench.base.text import sanitize

    sys.stdout.flush()
    print(sanitize(line), file=sys.stderr, flush=True)
