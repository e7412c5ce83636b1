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
        "disable",
        "meter nothing: the fixtures work, the gates do not judge",
        default=False,
        flag=True,
    ),
)


@dataclass(frozen=True, slots=True)
class EnergyOptions:
    """What the user asked for, checked.

    Attributes:
        report_dir: absolute path.
        json: absolute path, or None.
        carbon_intensity: g CO2e per kWh, or None.
    """

    report: bool
    report_dir: Path
    json: Path | None
    meters: str
    pue: float
    carbon_intensity: float | None
    disable: bool

    @classmethod
    def from_config(cls, config: pytest.Config) -> EnergyOptions:
        """Command line over ini file over default.

        Raises:
            pytest.UsageError: a value cannot be read; names the option.
        """
        values = {option.dest.removeprefix("energy_"): value(config, option) for option in OPTIONS}
        for name in ("report_dir", "json"):
            if values[name] is not None:
                values[name] = (_base(config, f"energy_{name}") / values[name]).resolve()
        return cls(**values)


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
                help=option.help + twin,
            )
            parser.addini(option.dest, option.help, type="bool", default=None)
        else:
            group.addoption(
                f"--energy-{option.name}",
                dest=option.dest,
                metavar=option.metavar,
                default=None,
                help=option.help + twin,
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
        parse_selection(meters, tuple(own_sources(config)))
    except MeterError as error:
        raise pytest.UsageError(f"--energy-meters={meters}: {error}") from None


def own_sources(config: pytest.Config) -> dict[str, Callable[[], Source]]:
    """The sources that the project's hooks offer, by name."""
    offers = config.hook.pytest_energy_sources(config=config)
    return {name: make for offer in offers for name, make in offer.items()}
