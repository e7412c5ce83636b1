"""A history as tables: each case's last runs, its trend, and the commits at which it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.gates.changepoints import ChangePoint, change_points
from pytest_energybench.results.history import Entry

_BARS = "▁▂▃▄▅▆▇█"
MOST_POINTS = 30
HEAD = ("case", "runs", "last", "trend", "changes")
HEAD_ONE = ("date", "commit", "energy", "change", "")


@dataclass(frozen=True, slots=True)
class Trend:
    """One case's runs that are alike, oldest first.

    Attributes:
        unit: functional unit that the values are joules per one of; empty for whole rounds.
        changes: at which of them the level changed.
        others: earlier runs on other machines, meters or settings, which are not shown.
    """

    nodeid: str
    unit: str
    entries: tuple[Entry, ...]
    values: tuple[float, ...]
    changes: tuple[ChangePoint, ...]
    others: int


def trends(entries: Sequence[Entry]) -> list[Trend]:
    """Each case's runs that are alike its newest one.

    Args:
        entries: clean ones, oldest first.
    """
    by_nodeid: dict[str, list[Entry]] = {}
    for entry in entries:
        by_nodeid.setdefault(entry.nodeid, []).append(entry)
    found = []
    for nodeid, all_of_it in by_nodeid.items():
        unit = next(iter(all_of_it[-1].units), "")
        alike = [each for each in all_of_it if each.likeness == all_of_it[-1].likeness]
        known = [each for each in alike if each.joules(unit) > 0]
        values = tuple(each.joules(unit) for each in known)
        found.append(
            Trend(
                nodeid=nodeid,
                unit=unit,
                entries=tuple(known),
                values=values,
                changes=tuple(change_points(values)),
                others=len(all_of_it) - len(alike),
            )
        )
    return found


def rows(found: Sequence[Trend]) -> list[list[str]]:
    """A row a case, for `HEAD`."""
    return [
        [
            sanitize(each.nodeid),
            str(len(each.values)),
            quantities.per(_last(each).text, sanitize(each.unit)),
            sparkline(each.values),
            ", ".join(
                f"{quantities.percent(change.change)} at {commit_of(each.entries[change.index])}"
                for change in each.changes
            ),
        ]
        for each in found
    ]


def rows_of_one(trend: Trend) -> list[list[str]]:
    """A row a run of one case, for `HEAD_ONE`; where the level changed, by how much."""
    changed = {change.index: change.change for change in trend.changes}
    column = quantities.energy_column(
        [
            (value, None, entry.estimated)
            for entry, value in zip(trend.entries, trend.values, strict=True)
        ]
    )
    return [
        [
            sanitize(entry.created[:10]),
            f"{commit_of(entry)} {sanitize(entry.commit.subject)[:50]}" if entry.commit else "",
            quantities.per(column[number].text, sanitize(trend.unit)),
            quantities.percent(value / trend.values[number - 1] - 1) if number else "",
            f"new level, {quantities.percent(changed[number])}" if number in changed else "",
        ]
        for number, (entry, value) in enumerate(zip(trend.entries, trend.values, strict=True))
    ]


def _last(trend: Trend) -> quantities.Quantity:
    if not trend.values:
        return quantities.NOT_KNOWN
    return quantities.energy(trend.values[-1], estimated=trend.entries[-1].estimated)


def sparkline(values: Sequence[float]) -> str:
    """The last values as bars between the lowest and the highest of them."""
    shown = values[-MOST_POINTS:]
    if not shown:
        return ""
    low, spread = min(shown), max(shown) - min(shown)
    if spread == 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[round((value - low) / spread * (len(_BARS) - 1))] for value in shown)


def commit_of(entry: Entry) -> str:
    """Seven digits of its commit, or its date where it has none."""
    return sanitize(entry.commit.id[:7] if entry.commit is not None else entry.created[:10])
