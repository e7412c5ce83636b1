"""The options as one frozen value, parsed once; imported when somebody uses energy at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energybench.session.options import OPTIONS, usual_budgets, value

if TYPE_CHECKING:
    from pytest_energybench.metering.source import Source

__tracebackhide__ = True  # a user's mistake is shown at the user's line


@dataclass(frozen=True, slots=True)
class EnergyConfig:
    """What the user asked for, checked. Paths are absolute.

    Attributes:
        allow_missing: domains that totals may go without when they can't be read.
        region: name of a row of the table of carbon intensities, or None.
        carbon_intensity: g CO2e per kWh, or None; `embodied`: g CO2e per hour; `water`: l per kWh
            of IT energy.
        budgets: the budgets file, None if there is none.
        compare: name of a stored run, an absolute path, or `history:K[@BRANCH]`.
        wait: seconds that a window waits for the machine.
        cooldown: seconds between rounds.
        margin: relative increase over a stored run that is tolerated (0.03 is 3 %).
        shard: index from 1, and number of shards.
        ray: address of the Ray cluster that runs the tests, or `local`; None runs them here.
    """

    report: bool
    report_dir: Path
    json: Path | None
    meters: str
    allow_missing: tuple[str, ...]
    pue: float
    region: str | None
    carbon_intensity: float | None
    carbon_source: str | None
    embodied: float | None
    water: float | None
    hostname: bool
    idle: str
    wait: float
    cooldown: float
    rounds: int
    budgets: Path | None
    strict_budgets: bool
    save: str | None
    overwrite: bool
    history: bool
    storage: Path
    compare: str | None
    fail_on: frozenset[str]
    margin: float
    allow_mismatch: bool
    resume: bool
    shard: tuple[int, int] | None
    ray: str | None
    disable: bool

    @classmethod
    def of(cls, config: pytest.Config) -> EnergyConfig:
        """The session's: command line over ini file over default.

        Parsed once, and again only where a conftest that was read late has set an option.

        Raises:
            pytest.UsageError: a value cannot be read; names the option.
        """
        given = [config.getoption(option.dest) for option in OPTIONS]
        kept = config.stash.get(_config_key, None)
        if kept is None or kept[0] != given:
            kept = config.stash[_config_key] = given, cls._parsed(config)
        return kept[1]

    @classmethod
    def _parsed(cls, config: pytest.Config) -> EnergyConfig:
        values = {option.dest.removeprefix("energy_"): value(config, option) for option in OPTIONS}
        for name in ("report_dir", "json", "budgets", "storage"):
            if values[name] is not None:
                values[name] = _absolute(_base(config, f"energy_{name}") / values[name])
        if values["budgets"] is None:
            values["budgets"] = usual_budgets(config)
        compare = values["compare"]
        is_history = compare is not None and compare.startswith("history:")
        if compare is not None and not is_history and ("/" in compare or compare.endswith(".json")):
            values["compare"] = str(_absolute(_base(config, "energy_compare") / compare))
        return cls(**values)

    @property
    def journal(self) -> Path:
        """Where finished cases are kept until the run's files are written."""
        return self.report_dir / "energy.journal"

    @property
    def keeps(self) -> bool:
        """Whether anything of this run is to be kept in a file."""
        files = self.json is not None or self.save is not None
        return self.report or files or self.history or self.resume


_config_key = pytest.StashKey[tuple[list[Any], EnergyConfig]]()


def _absolute(path: Path) -> Path:
    """`Path.resolve` raises where links go round in circles; whoever opens the file tells of it."""
    return Path(os.path.abspath(path))


def _base(config: pytest.Config, dest: str) -> Path:
    """What a relative path is relative to: the ini file's folder, or where pytest was called."""
    if config.getoption(dest) is None and config.inipath is not None:
        return config.inipath.parent
    return config.invocation_params.dir


def runs_tests(config: pytest.Config) -> bool:
    """Whether pytest is to run tests, not to show which there are or how they are set up."""
    return not any(config.getoption(name, False) for name in ("collectonly", "setuponly"))


def check_meters(config: pytest.Config) -> None:
    """Refuse an unknown name in `--energy-meters`, once every conftest has been read.

    Raises:
        pytest.UsageError: names the meter and those there are.
    """
    from pytest_energybench.metering.discovery import parse_selection
    from pytest_energybench.metering.errors import MeterError

    meters = EnergyConfig.of(config).meters
    if meters == "auto":
        return
    try:
        names = [domain.name for source in own_sources(config) for domain in source.domains]
        parse_selection(meters, names)
    except MeterError as error:
        raise pytest.UsageError(f"--energy-meters={meters}: {error}") from None


def own_sources(config: pytest.Config) -> list[Source]:
    """The sources that the project's hooks offer.

    Raises:
        pytest.UsageError: one of them is no source.
    """
    sources: list[Source] = []
    for offer in config.hook.pytest_energy_sources(config=config):
        for source in offer if isinstance(offer, Iterable) else [offer]:
            if not hasattr(source, "domains"):
                raise pytest.UsageError(
                    f"pytest_energy_sources returned {source!r}: a list of sources; CounterSource"
                    " makes one of a function that returns joules"
                )
            sources.append(source)
    return sources
