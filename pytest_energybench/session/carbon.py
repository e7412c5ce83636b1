"""Grams of CO2e per kWh of a region, from a table of yearly means."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Intensity:
    """Grams of CO2e per kWh, and where that comes from: `DE 2024, Ember`."""

    g_per_kwh: float
    source: str | None


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
