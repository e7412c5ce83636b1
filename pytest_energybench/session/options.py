"""The `--energy-*` options and their ini twins; `config.py` reads them into one value.

Read at every start of pytest, so it holds no dataclass and imports nothing of ours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUDGETS_FILE = "energy-budgets.toml"

DEFAULT_PUE = 1.0
"""PUE 1.0 means that facility energy is IT energy: nothing is assumed about a data centre."""


class Option(NamedTuple):
    """One option: `--energy-<name>` on the command line, `energy_<name>` in the ini file.

    Attributes:
        parse: turns the text into a value; raises ValueError with a sentence for people.
        number: `parse` takes a plain number, too, which TOML can give, in the option's own unit.
        default: the value where neither the command line nor the ini file gives one.
    """

    name: str
    help: str
    default: Any = None
    metavar: str | None = None
    flag: bool = False
    parse: Callable[[Any], Any] = str
    number: bool = False

    @property
    def dest(self) -> str:
        return "energy_" + self.name.replace("-", "_")


MOST = 1e6
"""More than any of these numbers is anywhere, and little enough that no figure overflows."""


def _at_least(least: float, what: str) -> Callable[[str], float]:
    """Parses a number that is no less, and no more than `MOST`; `what` is said of another."""

    def parsed(text: str) -> float:
        value = float(text)
        if not least <= value <= MOST:
            raise ValueError(f"{what}, at most {MOST:,.0f}" if value > MOST else what)
        return value

    return parsed


def _region(text: str) -> str:
    from pytest_energybench.session.carbon import parse_region

    return parse_region(text)


def _idle(text: str) -> str:
    if text not in ("keep", "subtract"):
        raise ValueError("one of keep, subtract")
    return text


def _domains(text: str) -> tuple[str, ...]:
    names = tuple(word.strip() for word in text.split(","))
    if not all(names):
        raise ValueError("names of domains, e.g. cpu:0,gpu:3; `energybench doctor` shows them")
    return names


def _rounds(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("a number of rounds is 1 or more")
    return value


# Parsers that are other rooms' are imported when their option is given: pytest starts without them.


def _margin(text: str | float) -> float:
    from pytest_energybench.gates.parse import parse_margin

    return parse_margin(text)


def _duration(text: str | float) -> float:
    from pytest_energybench.gates.parse import parse_duration

    return parse_duration(text)


def _fail_on(text: str) -> frozenset[str]:
    from pytest_energybench.gates.fail_on import parse_fail_on

    return parse_fail_on(text)


def _shard(text: str) -> tuple[int, int]:
    from pytest_energybench.results.errors import ShardError
    from pytest_energybench.results.merge import parse_shard

    try:
        return parse_shard(text)
    except ShardError as error:
        raise ValueError(str(error)) from None


def _name(text: str) -> str:
    from pytest_energybench.results.errors import StorageError
    from pytest_energybench.results.storage import Storage

    try:
        Storage().path(text)
    except StorageError as error:
        raise ValueError(str(error)) from None
    return text


OPTIONS = (
    Option(
        "report",
        "write energy.json and energy.html into the report folder after the run",
        default=False,
        flag=True,
    ),
    Option(
        "report-dir",
        "folder of the report (default: reports, beside the ini file)",
        default="reports",
        metavar="DIR",
    ),
    Option("json", "write the run as JSON to this file", metavar="PATH"),
    Option(
        "meters",
        "sources of joules, a comma list (default: auto, the best this machine has for each domain;"
        " `energybench doctor` shows them)",
        default="auto",
        metavar="NAMES",
    ),
    Option(
        "allow-missing",
        "domains that totals may go without when they can't be read, a comma list of names as"
        " `energybench doctor` shows them, e.g. cpu:0,gpu:3 (default: none; what can't be read"
        " makes a total unknown)",
        default=(),
        metavar="DOMAINS",
        parse=_domains,
    ),
    Option(
        "pue",
        "power usage effectiveness of the facility: facility energy = PUE x IT energy"
        " (default: 1.0)",
        default=DEFAULT_PUE,
        metavar="X",
        parse=_at_least(1.0, "a PUE is a number of at least 1.0 (facility energy / IT energy)"),
    ),
    Option(
        "region",
        "where the electricity is from; reports then show an estimate of the emissions, by a yearly"
        " mean: a country (DE), a US state (US-CA) or a cloud's region (aws:eu-central-1,"
        " azure:westeurope, gcp:europe-west3)",
        metavar="REGION",
        parse=_region,
    ),
    Option(
        "carbon-intensity",
        "grams of CO2e per kWh of the electricity, instead of a region's; reports then show an"
        " estimate of the emissions",
        metavar="G",
        parse=_at_least(0.0, "a carbon intensity is in grams of CO2e per kWh, 0 or more"),
    ),
    Option(
        "carbon-source",
        "where that intensity comes from, for the report, e.g. 'DE 2024, Ember'",
        metavar="TEXT",
    ),
    Option(
        "embodied",
        "grams of CO2e that making the machine emitted, per hour of its life; reports then show"
        " them for the metered time, as an estimate (default: left out)",
        metavar="G",
        parse=_at_least(
            0.0, "what making the machine emitted is in grams of CO2e per hour, 0 or more"
        ),
    ),
    Option(
        "water",
        "water usage effectiveness of the facility, litres per kWh of IT energy; reports then show"
        " an estimate (default: left out)",
        metavar="L",
        parse=_at_least(0.0, "water is in litres per kWh, 0 or more"),
    ),
    Option(
        "hostname",
        "write this machine's name into the run file (it is left out otherwise)",
        default=False,
        flag=True,
    ),
    Option(
        "idle",
        "keep (default) or subtract: measure the idle machine for 5 s first and take its power off"
        " every figure; both are kept",
        default="keep",
        metavar="HOW",
        parse=_idle,
    ),
    Option(
        "wait",
        "how long a window waits while another process meters or works hard on this machine"
        " (default: 1 h)",
        default=3600.0,
        metavar="TIME",
        parse=_duration,
        number=True,
    ),
    Option(
        "cooldown",
        "how long to wait between rounds, outside of any window, so that the machine cools down"
        " (default: 0 s)",
        default=0.0,
        metavar="TIME",
        parse=_duration,
        number=True,
    ),
    Option(
        "rounds",
        "run every metered test this many times, interleaved within its group, as one case"
        " (default: 1)",
        default=1,
        metavar="N",
        parse=_rounds,
    ),
    Option(
        "budgets",
        "file of budgets by node id (default: energy-budgets.toml beside the ini file, in pytest's"
        " root folder or where pytest is called, if any)",
        metavar="PATH",
    ),
    Option(
        "strict-budgets",
        "a metered test that no budget matches, or a budget that matches no test, fails the run",
        default=False,
        flag=True,
    ),
    Option("save", "store this run's good figures under a name", metavar="NAME", parse=_name),
    Option("overwrite", "let --energy-save replace a stored run", default=False, flag=True),
    Option(
        "history",
        "add this run's good figures to history.jsonl in the folder of stored runs",
        default=False,
        flag=True,
    ),
    Option(
        "storage",
        "folder of stored runs, meant to be kept in git (default: .energy beside the ini file)",
        default=".energy",
        metavar="DIR",
    ),
    Option(
        "compare",
        "compare with a stored run, with a run file, or with the last K runs of main (or master, or"
        " BRANCH) in the history",
        metavar="NAME|PATH|history:K[@BRANCH]",
    ),
    Option(
        "fail-on",
        "what of that comparison fails the run, a comma list of more, not-measured, not-comparable,"
        " not-judged, too-noisy, too-short, machine-busy, missing, stale"
        " (default: more,not-measured,not-comparable,not-judged), or nothing",
        default=frozenset({"more", "not-measured", "not-comparable", "not-judged"}),
        metavar="KINDS",
        parse=_fail_on,
    ),
    Option(
        "margin",
        "increase over the stored run that is tolerated (default: 3 %)",
        default=0.03,
        metavar="PERCENT",
        parse=_margin,
        number=True,
    ),
    Option(
        "allow-mismatch",
        "compare figures of unlike machines, meters, provenance or settings all the same",
        default=False,
        flag=True,
    ),
    Option(
        "resume",
        "take over the cases that a run which was cut short had finished",
        default=False,
        flag=True,
    ),
    Option(
        "shard",
        "run one of several parts of the metered tests, e.g. 3/8; groups stay together",
        metavar="I/N",
        parse=_shard,
    ),
    Option(
        "ray",
        "run groups as tasks on a Ray cluster, each host metered by one task at a time: its"
        " address (HOST:PORT, or auto for the one of this machine), or local to start Ray here",
        metavar="ADDRESS|local",
    ),
    Option(
        "disable",
        "meter nothing: the fixtures work, the gates do not judge",
        default=False,
        flag=True,
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every option with its ini twin."""
    group = parser.getgroup("energybench", "energy: joules that tests can assert")
    for option in OPTIONS:
        twin = f" [ini: {option.dest}]"
        if option.flag:
            group.addoption(
                f"--energy-{option.name}",
                dest=option.dest,
                action="store_true",
                default=None,
                help=(option.help + twin).replace("%", "%%"),
            )
            parser.addini(option.dest, option.help, type="bool", default=None)
        else:
            group.addoption(
                f"--energy-{option.name}",
                dest=option.dest,
                metavar=option.metavar,
                default=None,
                help=(option.help + twin).replace("%", "%%"),
            )
            parser.addini(option.dest, option.help, default=None)


def given(config: pytest.Config, dest: str) -> bool:
    """Whether the user gave this option, on the command line or in the ini file."""
    return config.getoption(dest) is not None or _ini(config, dest) not in (None, "", [])


def _ini(config: pytest.Config, dest: str) -> Any:
    """The ini option; pytest's native TOML has numbers, too, and lists that mean a comma list."""
    try:
        return config.getini(dest)
    except (TypeError, ValueError, pytest.UsageError) as error:
        if any(option.flag and option.dest == dest for option in OPTIONS):
            raise pytest.UsageError(f"ini option {dest}: {error}") from None
        there = getattr(config, "_inicfg", None) or config.inicfg
        found = getattr(there[dest], "value", there[dest])
    return ",".join(map(str, found)) if isinstance(found, list) else found


def value(config: pytest.Config, option: Option) -> Any:
    """The option's value: command line over ini file over default.

    Raises:
        pytest.UsageError: the text cannot be read; names the option and where it stood.
    """
    place = f"--energy-{option.name}"
    text = config.getoption(option.dest)
    if text is False:  # set by a process that runs the tests of another's session
        return option.default
    if text == "":  # a variable that is not set must not be a gate that is off
        raise pytest.UsageError(f"{place}=: nothing stands behind it (a variable that isn't set?)")
    if text is None:
        place = f"ini option {option.dest}"
        text = _ini(config, option.dest)
    if text is None or text == "":
        return option.default
    if option.flag:
        return bool(text)
    try:
        return option.parse(text if option.number and not isinstance(text, bool) else str(text))
    except ValueError as error:
        raise pytest.UsageError(f"{place}={_shown(str(text))}: {error}") from None


def _shown(text: str) -> str:
    """A user's text as part of a line: a terminal obeys none of it, and it ends at some time."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= 100 else f"{shown[:99]}…"


def any_given(config: pytest.Config) -> bool:
    """Whether the user gave any of the options."""
    return any(given(config, option.dest) for option in OPTIONS)


def usual_budgets(config: pytest.Config) -> Path | None:
    """The budgets file that lies beside the ini file, in pytest's root folder or where pytest was
    called. Whatever lies there is meant to be one: what can't be read must not be no gate."""
    called = config.invocation_params.dir
    beside = config.inipath.parent if config.inipath is not None else called
    places = (folder / BUDGETS_FILE for folder in (beside, config.rootpath, called))
    return next(filter(os.path.lexists, places), None)
