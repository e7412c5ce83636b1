"""Grams of CO2e per kWh: told by the user, asked of a hook, or looked up in a table by region."""

from __future__ import annotations

import csv
import datetime
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_energybench.session.config import EnergyConfig


@dataclass(frozen=True, slots=True)
class Intensity:
    """Grams of CO2e per kWh, and where that comes from: `DE 2024, Ember`."""

    g_per_kwh: float
    source: str | None


def intensity(config: pytest.Config, options: EnergyConfig) -> Intensity | None:
    """The session's intensity: the option's, else the hook's, else the region's of a whole year.

    Raises:
        pytest.UsageError: the hook returned no intensity.
    """
    if options.carbon_intensity is not None:
        return Intensity(options.carbon_intensity, options.carbon_source)
    live = config.hook.pytest_energy_carbon_intensity(config=config)
    if live is None:
        return None if options.region is None else of_region(options.region)
    if isinstance(live, bool) or not isinstance(live, int | float) or not 0 <= live < math.inf:
        raise pytest.UsageError(
            f"pytest_energy_carbon_intensity returned {live!r}: grams of CO2e per kWh, 0 or more,"
            " or None"
        )
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    where = " ".join(filter(None, [options.region, now]))
    return Intensity(float(live), options.carbon_source or f"{where}, live")


def parse_region(text: str) -> str:
    """The region's name as the table has it.

    Raises:
        ValueError: the table has no such region; names the likeliest.
    """
    found = {name.lower(): name for name in _table()}.get(text.strip().lower())
    if found is not None:
        return found
    raise ValueError(
        "a country (DE), a state (US-CA) or a cloud's region (aws:eu-central-1, azure:westeurope,"
        f" gcp:europe-west3){_did_you_mean(text.strip())}"
    )


def of_region(region: str) -> Intensity:
    """The latest yearly mean that the table has, by a name that `parse_region` returned."""
    row = _table()[region]
    shown = region
    if row["grid"]:
        shown, row = f"{region} in {row['grid']}", _table()[row["grid"]]
    return Intensity(float(row["g_per_kwh"]), f"{shown} {row['year']}, {row['source']}")


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    """Region -> its row. Sources and licences stand at the head of the file."""
    text = files(__package__).joinpath("carbon_intensity.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["region"]: row for row in rows}


def _did_you_mean(text: str) -> str:
    from difflib import get_close_matches

    words = {row["name"].lower(): name for name, row in reversed(list(_table().items()))}
    words |= {name.partition(":")[2]: name for name in _table() if ":" in name}
    words |= {name.lower(): name for name in _table()}
    close = get_close_matches(text.lower(), words, n=1)
    if not close:
        return ""
    name = words[close[0]]
    return f"; did you mean {name} ({_table()[name]['name']})?"
