"""The view of a run that every report is written from: figures already in words, still sortable.

Pure data. `build.run_view` makes it from a run; HTML, Markdown, CSV and terminal only lay it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_energybench.gates.quantities import Quantity
from pytest_energybench.results.model import Case, Run

Kind = Literal["fail", "unknown", "xfail", "pass", "unjudged"]

WORST_FIRST: tuple[Kind, ...] = ("fail", "unknown", "xfail", "pass", "unjudged")
"""Order in which a reader wants to meet them."""

WORDS: dict[Kind, str] = {
    "fail": "fail",
    "unknown": "unknown",
    "xfail": "xfail",
    "pass": "pass",
    "unjudged": "not judged",
}

GLYPHS: dict[str, str] = {
    "fail": "✕",
    "unknown": "?",
    "xfail": "–",
    "pass": "✓",
    "unjudged": "·",
    "less": "▼",
    "lower": "▽",
    "same": "=",
    "higher": "△",
    "more": "▲",
    "unclear": "?",
    "better": "✓",
    "kept": "=",
    "lost": "✕",
    "undecided": "?",
}
"""A shape beside the word and the colour, so that no answer hangs on colour."""

EST = " est."
"""Behind a change of an estimate; a tilde before it would read as a second sign."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as text and as the number it sorts by (None sorts last)."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """One comparison in words.

    Attributes:
        against: what it was compared with, e.g. `the group's plain`.
        limit: the limit with its unit, empty where there is none.
        estimate, interval: the change and its one-sided 95 % bounds, empty where unknown.
        finding: the word for it; `paint` is the one of those known here that it is painted as.
        text: the sentence it was judged by; empty where no rule asked.
        compared: both figures, `96.7 J → 120.7 J`, empty where one is not known.
        times: the change as a factor, where the bounds show it.
        telling: what would decide it, where noise left it open.
        allowed: what the rule tolerated; empty where none asked.
        caution: what was wrong with the rounds.
        method, rounds: how it was compared, and on how many rounds.
        time_ratio: the energies are estimates from CPU time, so the ratio is one of times.
    """

    against: str
    quantity: str
    limit: str
    finding: str
    paint: str
    text: str
    estimate: str
    interval: str
    compared: str
    times: str
    telling: str
    allowed: str
    caution: str
    method: str
    rounds: str
    time_ratio: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A case's change of energy against one reference: the number that was compared, and the word
    that follows from it; `unit` is the functional unit that both energies are per one of."""

    value: float
    finding: str
    interval: tuple[float, float] | None
    time_ratio: bool
    unit: str = ""


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case: a row of every table.

    Attributes:
        source: the case itself, for what only one report needs.
        key: short and stable name of the case, made from its node id; a deep link's target.
        heading, short: what the cases of its group share of their node ids, and the rest of it.
        kind, word: the result, and the words shown for it.
        energy, facility: own unit each; `energy_column` holds them with the column's unit.
        uncertainty: of the energy, in joules.
        co2e_g: grams of CO2e of the facility energy, an estimate; None where no intensity is known.
        per_unit: functional unit, and joules per one of it; None where none was counted.
        changes: of energy, by the kind of reference: `stored`, `group`, `pair`.
        accuracy_finding: what the rule about it found, empty where there is none;
            `group_accuracy_finding` that of the rule about its group's reference.
        accuracy_change: against the group's reference.
        provenance: `measured`, `integrated`, `estimated` or a mixture in words.
    """

    source: Case
    key: str
    label: str
    heading: str
    short: str
    kind: Kind
    word: str
    energy: Quantity
    energy_column: Quantity
    facility: Quantity
    uncertainty: float | None
    co2e_g: float | None
    per_unit: tuple[str, float | None] | None
    changes: Mapping[str, Change]
    duration: Cell
    accuracy: Cell
    accuracy_finding: str
    group_accuracy_finding: str
    accuracy_change: float | None
    provenance: str
    estimated: bool
    comparisons: tuple[ComparisonView, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases came to a result, and their share of all cases (for the bar)."""

    kind: Kind
    word: str
    number: int
    share: float


@dataclass(frozen=True, slots=True)
class MeterView:
    """One domain's meter, and how far it can be trusted, in words."""

    domain: str
    source: str
    provenance: str
    resolution: str
    error: str
    period: str
    note: str

    @property
    def text(self) -> str:
        """`cpu:0 rapl (measured ±2 %)`"""
        error = f" {self.error}" if self.error.startswith("±") else ""
        return f"{self.domain} {self.source} ({self.provenance}{error})"


@dataclass(frozen=True, slots=True)
class HostView:
    """One of several machines that the cases ran on, in words."""

    name: str
    machine: str
    meters: str


@dataclass(frozen=True, slots=True, eq=False)
class RunView:
    """A run ready to be laid out; equal only to itself.

    Attributes:
        source: the run itself.
        cost: what measuring took, in one sentence.
        counts: results, worst first, only those that occur.
        cases: in the order they ran.
        hosts: the machines, where the cases ran on several.
        meters: those of all hosts, like ones once.
        without: what could not be read and was allowed to be missing, in words; empty if none.
        pue: facility energy / IT energy.
        carbon: the intensity behind estimated emissions, and its source; empty if none is known.
        estimated: how much of the marked energies is an estimate; empty where none is.
        estimate_note: what an energy ratio means in this run where energy is estimated.
        versus: kind of reference -> head of its column of changes, that of the gate first.
        has_accuracy, has_facility, has_rounds: which columns say anything.
    """

    source: Run
    cost: str
    counts: tuple[Count, ...]
    cases: tuple[CaseView, ...]
    meters: tuple[MeterView, ...]
    hosts: tuple[HostView, ...]
    provenance: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    without: str
    pue: float
    carbon: str
    estimated: str
    estimate_note: str
    has_accuracy: bool
    has_facility: bool
    has_rounds: bool
    versus: Mapping[str, str]
