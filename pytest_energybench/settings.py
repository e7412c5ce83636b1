"""The options as one frozen value, checked; imported when somebody uses energy at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_energybench.options import BUDGETS_FILE, OPTIONS, given, value

if TYPE_CHECKING:
    from pytest_energybench.metering.source import Source


@dataclass(frozen=True, slots=True)
class EnergyOptions:
    """What the user asked for, checked. Paths are absolute.

    Attributes:
        carbon_intensity: g CO2e per kWh, or None.
        budgets: the budgets file, None where there is none.
        compare: name of a stored run, or an absolute path.
        wait: seconds that a window waits for the machine.
        margin: relative increase over a stored run that is tolerated (0.03 is 3 %).
        shard: index from 1, and number of shards.
        ray: address of the Ray cluster that runs the tests, or `local`; None runs them here.
    """

    report: bool
    report_dir: Path
    json: Path | None
    meters: str
    pue: float
    carbon_intensity: float | None
    carbon_source: str | None
    hostname: bool
    idle: str
    wait: float
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
    ray: str | None
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


def _base(config: pytest.Config, dest: str) -> Path:
    """What a relative path is relative to: the ini file's folder, or where pytest was called."""
    if config.getoption(dest) is None and config.inipath is not None:
        return config.inipath.parent
    return config.invocation_params.dir


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
