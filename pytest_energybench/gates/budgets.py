"""The reviewed budgets of a project, `energy-budgets.toml`.

    [budget."*"]                               # for every case
    margin = "5 %"                             # an increase that fails exceeds this ...
    floor = "2 J"                              # ... and this

    [budget."tests/test_train.py::*"]
    max_energy = "40 Wh"
    max_duration = "10 min"
    min_accuracy = 0.95

    [budget."tests/test_llm.py::*".window.decode]  # the windows of this name
    max_energy = "0.4 J/token"

In a pattern `*` stands for any text and `?` for one character; everything else, `[` and `]` too, is
itself, so that the node id of a parametrized test is a pattern. Several tables may match a case:
each of its limits comes from the last of them that states it, so what is general comes first.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.gates.accuracy import Score, judge_accuracy_floor
from pytest_energybench.gates.comparisons import judge_energy, judge_time
from pytest_energybench.gates.parse import (
    EnergyLimit,
    parse_accuracy,
    parse_duration,
    parse_energy,
    parse_energy_limit,
    parse_margin,
)
from pytest_energybench.results.model import Case, Comparison
from pytest_energybench.results.run_file import likely_cause


class BudgetsError(EnergyBenchError, ValueError):
    """A budgets file that can't be taken as it is; names file, table and key, in one line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a case may use; None where nothing is stated.

    Attributes:
        max_energy: IT energy, of the whole case or per functional unit.
        max_duration: seconds.
        min_accuracy: fraction.
        margin: relative increase over a stored run that is tolerated.
        floor: joules that an increase must exceed, beside the margin, to fail.
        windows: name -> limits of the windows of that name.
        sources: limit -> file and pattern that state it.
    """

    max_energy: EnergyLimit | None = None
    max_duration: float | None = None
    min_accuracy: float | None = None
    margin: float | None = None
    floor: float | None = None
    windows: Mapping[str, Limits] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budget:
    """One table of the file: a pattern over node ids, and the limits it states.

    Attributes:
        limits: key -> value, for the whole case and for the windows of a name.
    """

    pattern: str
    limits: Mapping[str, Any]
    windows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def matches(self, nodeid: str) -> bool:
        """Whether the pattern matches the whole node id."""
        return _expression(self.pattern).fullmatch(nodeid) is not None


@dataclass(frozen=True, slots=True)
class Budgets:
    """A budgets file; `file` is its name for messages."""

    file: str
    tables: tuple[Budget, ...] = ()

    def limits(self, nodeid: str) -> Limits:
        """The limits of a case, each from the last table that matches and states it."""
        tables = [table for table in self.tables if table.matches(nodeid)]
        names = dict.fromkeys(name for table in tables for name in table.windows)
        windows = {
            name: self._last([(table.pattern, table.windows.get(name, {})) for table in tables])
            for name in names
        }
        whole = self._last([(table.pattern, table.limits) for table in tables])
        return replace(whole, windows=windows)

    def _last(self, stated: Sequence[tuple[str, Mapping[str, Any]]]) -> Limits:
        """Of several tables, given with their patterns, each limit from the last that states it."""
        found: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for pattern, limits in stated:
            found |= limits
            sources |= dict.fromkeys(limits, f"{self.file}, {pattern}")
        return Limits(**found, sources=sources)

    def unmatched_tables(self, nodeids: Collection[str]) -> list[str]:
        """Patterns that match no case: a test that was renamed has lost its budget."""
        return [
            table.pattern
            for table in self.tables
            if not any(table.matches(nodeid) for nodeid in nodeids)
        ]

    def unmatched_cases(self, nodeids: Collection[str]) -> list[str]:
        """Cases for which no table states a maximum or minimum."""
        return [nodeid for nodeid in nodeids if not self.has_limits(nodeid)]

    def has_limits(self, nodeid: str) -> bool:
        """Whether a table states a maximum or minimum for a case."""
        limits = self.limits(nodeid)
        stated = (limits.max_energy, limits.max_duration, limits.min_accuracy)
        return bool(limits.windows) or any(limit is not None for limit in stated)


MOST_BYTES = 2**24
"""What a budgets file may hold: more than a table for each of 10^5 cases."""


def parse_budgets(content: str | bytes, file: str = "energy-budgets.toml") -> Budgets:
    """The budgets in a file's content.

    Args:
        file: the file's name, for messages.

    Raises:
        BudgetsError: no TOML, or a table, key or value that means nothing here.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        document = tomllib.loads(text.replace("\r\n", "\n"))
    except RecursionError as error:
        raise BudgetsError(_line(f"{file}: is nested too deeply")) from error
    except ValueError as error:
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        raise BudgetsError(_line(f"{file}: {likely_cause(raw) or what}")) from error
    for key in document:
        if key != "budget":
            raise BudgetsError(
                _line(f'{file}: unknown table {key!r}: budgets are tables [budget."PATTERN"]')
            )
    tables = document.get("budget", {})
    if not isinstance(tables, dict):
        raise BudgetsError(_line(f'{file}: budgets are tables [budget."PATTERN"]'))
    return Budgets(file, tuple(_budget(file, pattern, body) for pattern, body in tables.items()))


def judge_budgets(case: Case, limits: Limits) -> list[Comparison]:
    """A case against the limits a budgets file states for it; margin and floor are for others."""
    found = _judge_used(case, limits)
    if limits.min_accuracy is not None:
        source = limits.sources.get("min_accuracy", "")
        score = Score.of(case)
        found.append(judge_accuracy_floor(score, limits.min_accuracy, source=source))
    for name, each in limits.windows.items():
        found += _judge_used(case, each, window=name)
    return found


def _judge_used(case: Case, limits: Limits, window: str = "") -> list[Comparison]:
    """Energy and duration of a case, or of its windows of one name, where they are limited."""
    found = []
    if limits.max_energy is not None:
        source = limits.sources.get("max_energy", "")
        found.append(judge_energy(case, limits.max_energy, window=window, source=source))
    if limits.max_duration is not None:
        source = limits.sources.get("max_duration", "")
        found.append(judge_time(case, limits.max_duration, window=window, source=source))
    return found


_WINDOW_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "max_energy": parse_energy_limit,
    "max_duration": parse_duration,
}
_KEYS: Mapping[str, Callable[[Any], Any]] = {
    **_WINDOW_KEYS,
    "min_accuracy": parse_accuracy,
    "margin": parse_margin,
    "floor": parse_energy,
}


def _budget(file: str, pattern: str, body: Any) -> Budget:
    place = f'{file}: [budget."{pattern}"'
    windows = body.get("window", {}) if isinstance(body, dict) else {}
    if not isinstance(windows, dict):
        raise BudgetsError(_line(f"{place}] window: budgets of windows are tables by their names"))
    if "" in windows:
        raise BudgetsError(_line(f'{place}.window.""] windows without a name have no budget'))
    whole = {key: value for key, value in body.items() if key != "window"} if windows else body
    return Budget(
        pattern,
        _limits(f"{place}]", whole, _KEYS) if whole or not windows else {},
        {
            name: _limits(f'{place}.window."{name}"]', each, _WINDOW_KEYS)
            for name, each in windows.items()
        },
    )


def _limits(place: str, body: Any, keys: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The limits that a table states."""
    if not isinstance(body, dict):
        raise BudgetsError(_line(f"{place} is no table"))
    limits = {}
    for key, value in body.items():
        if key not in keys:
            raise BudgetsError(_line(f"{place} unknown key {key!r}: one of {', '.join(keys)}"))
        try:
            limits[key] = keys[key](value)
        except ValueError as error:
            raise BudgetsError(_line(f"{place} {key}: {error}")) from error
    if not limits:
        raise BudgetsError(_line(f"{place} states no limit: one of {', '.join(keys)}"))
    return limits


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    plain = re.sub(r"\*+", "*", pattern)  # two stars say what one says, and match far slower
    return re.compile("".join(parts.get(char, re.escape(char)) for char in plain), re.DOTALL)


def _line(message: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in message).split())
