"""The `--energy-*` options, their ini twins, and the frozen value they become."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_energybench.metering.source import Source

BUDGETS_FILE = "energy-budgets.toml"

DEFAULT_PUE = 1.0
"""PUE 1.0 means that facility energy is IT energy: nothing is assumed about a data centre."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `--energy-<name>` on the command line, `energy_<name>` in the ini file.

    Attributes:
        parse: turns the text into a value; raises ValueError with a sentence for people.
        default: the value where neither the command line nor the ini file gives one.
    """

    name: str
    help: str
    default: Any = None
    metavar: str | None = None
    flag: bool = False
    parse: Callable[[str], Any] = str

    @property
    def dest(self) -> str:
        return "energy_" + self.name.replace("-", "_")


def _pue(text: str) -> float:
    value = float(text)
    if not 1.0 <= value < math.inf:
        raise ValueError("a PUE is a number of at least 1.0 (facility energy / IT energy)")
    return value


def _carbon_intensity(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < math.inf:
        raise ValueError("a carbon intensity is in grams of CO2e per kWh, 0 or more")
    return value


def _idle(text: str) -> str:
    if text not in ("keep", "subtract"):
        raise ValueError("one of keep, subtract")
    return text


def _rounds(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("a number of rounds is 1 or more")
    return value


# Parsers that are other rooms' are imported when their option is given: pytest starts without them.


def _fraction(text: str) -> float:
    from pytest_energybench.gates.quantity import parse_fraction

    return parse_fraction(text)


def _fail_on(text: str) -> frozenset[str]:
    from pytest_energybench.gates.fail_on import parse_fail_on

    return parse_fail_on(text)


def _shard(text: str) -> tuple[int, int]:
    from pytest_energybench.results.errors import ShardError
    from pytest_energybench.results.shard import parse_shard

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
        "pue",
        "power usage effectiveness of the facility: facility energy = PUE x IT energy"
        " (default: 1.0)",
        default=DEFAULT_PUE,
        metavar="X",
        parse=_pue,
    ),
    Option(
        "carbon-intensity",
        "grams of CO2e per kWh of the electricity; reports then show an estimate of the emissions",
        metavar="G",
        parse=_carbon_intensity,
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
        "rounds",
        "run every metered test this many times, interleaved within its group, as one case"
        " (default: 1)",
        default=1,
        metavar="N",
        parse=_rounds,
    ),
    Option(
        "budgets",
        "file of budgets by node id (default: energy-budgets.toml beside the ini file, if any)",
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
        "storage",
        "folder of stored runs, meant to be kept in git (default: .energy beside the ini file)",
        default=".energy",
        metavar="DIR",
    ),
    Option("compare", "compare with a stored run, or with a run file", metavar="NAME|PATH"),
    Option(
        "fail-on",
        "what of that comparison fails the run, a comma list of regressed, inconclusive, error,"
        " missing, stale, not-comparable (default: nothing)",
        default=frozenset(),
        metavar="KINDS",
        parse=_fail_on,
    ),
    Option(
        "margin",
        "increase over the stored run that is tolerated (default: 3 %)",
        default=0.03,
        metavar="PERCENT",
        parse=_fraction,
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
        "disable",
        "meter nothing: the fixtures work, the gates do not judge",
        default=False,
        flag=True,
    ),
)


@dataclass(frozen=True, slots=True)
class EnergyOptions:
    """What the user asked for, checked. Paths are absolute.

    Attributes:
        carbon_intensity: g CO2e per kWh, or None.
        budgets: the budgets file, None where there is none.
        compare: name of a stored run, or an absolute path.
        margin: relative increase over a stored run that is tolerated (0.03 is 3 %).
        shard: index from 1, and number of shards.
    """

    report: bool
    report_dir: Path
    json: Path | None
    meters: str
    pue: float
    carbon_intensity: float | None
    idle: str
    rounds: int
    budgets: Path | None
    strict_budgets: bool
    save: str | None
    overwrite: bool
    storage: Path
    compare: str | None
    fail_on: frozenset[str]
    margin: float
    allow_mismatch: bool
    resume: bool
    shard: tuple[int, int] | None
    disable: bool

    @classmethod
    def from_config(cls, config: pytest.Config) -> EnergyOptions:
        """Command line over ini file over default.

        Raises:
            pytest.UsageError: a value cannot be read; names the option.
        """
        values = {option.dest.removeprefix("energy_"): value(config, option) for option in OPTIONS}
        for name in ("report_dir", "json", "budgets", "storage"):
            if values[name] is not None:
                values[name] = (_base(config, f"energy_{name}") / values[name]).resolve()
        if values["budgets"] is None:
            usual = _base(config, "energy_budgets") / BUDGETS_FILE
            values["budgets"] = usual if usual.is_file() else None
        compare = values["compare"]
        if compare is not None and ("/" in compare or compare.endswith(".json")):
            values["compare"] = str((_base(config, "energy_compare") / compare).resolve())
        return cls(**values)

    @property
    def journal(self) -> Path:
        """Where finished cases are kept until the run's files are written."""
        return self.report_dir / "energy.journal"

    @property
    def keeps(self) -> bool:
        """Whether anything of this run is to be kept in a file."""
        return self.report or self.json is not None or self.save is not None or self.resume


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


def _base(config: pytest.Config, dest: str) -> Path:
    """What a relative path is relative to: the ini file's folder, or where pytest was called."""
    if config.getoption(dest) is None and config.inipath is not None:
        return config.inipath.parent
    return config.invocation_params.dir


def given(config: pytest.Config, dest: str) -> bool:
    """Whether the user gave this option, on the command line or in the ini file."""
    return config.getoption(dest) is not None or config.getini(dest) not in (None, "", [])


def value(config: pytest.Config, option: Option) -> Any:
    """The option's value: command line over ini file over default.

    Raises:
        pytest.UsageError: the text cannot be read; names the option and where it stood.
    """
    place = f"--energy-{option.name}"
    text = config.getoption(option.dest)
    if text is None:
        place = f"ini option {option.dest}"
        text = config.getini(option.dest)
    if text is None or text == "":
        return option.default
    if option.flag:
        return bool(text)
    try:
        return option.parse(str(text))
    except ValueError as error:
        raise pytest.UsageError(f"{place}={text}: {error}") from None


def check_options(config: pytest.Config, options: EnergyOptions) -> None:
    """What must hold of the options before anything is collected.

    Raises:
        pytest.UsageError: a budgets file or stored run that can't be read, a name that is taken.
    """
    if config.getoption("energy_fail_on") is not None and options.compare is None:
        raise pytest.UsageError(
            "--energy-fail-on judges a comparison: give --energy-compare=NAME|PATH as well"
        )
    if options.save is not None and not options.overwrite:
        from pytest_energybench.results.storage import Storage

        path = Storage(options.storage).path(options.save)
        if path.exists():
            raise pytest.UsageError(
                f"--energy-save={options.save}: {path} is there already; give"
                " --energy-overwrite to accept this run as the new baseline"
            )
    if options.budgets is not None or options.compare is not None:
        from pytest_energybench.gatekeeper import Gatekeeper

        Gatekeeper.load(options)


def check_meters(config: pytest.Config) -> None:
    """Refuse an unknown name in `--energy-meters`, once every conftest has been read.

    Raises:
        pytest.UsageError: names the meter and those there are.
    """
    if not given(config, "energy_meters"):
        return
    from pytest_energybench.metering.discovery import parse_selection
    from pytest_energybench.metering.errors import MeterError

    meters = EnergyOptions.from_config(config).meters
    try:
        names = [domain.name for source in own_sources(config) for domain in source.domains]
        parse_selection(meters, names)
    except MeterError as error:
        raise pytest.UsageError(f"--energy-meters={meters}: {error}") from None


def own_sources(config: pytest.Config) -> list[Source]:
    """The sources that the project's hooks offer."""
    offers = config.hook.pytest_energy_sources(config=config)
    return [source for offer in offers for source in offer]
