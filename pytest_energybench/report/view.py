"""The view of a run that every report is written from: figures already in words, still sortable.

Pure data. `build.run_view` makes it from a run; HTML, Markdown, CSV and terminal only lay it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_energybench.report.units import Quantity
from pytest_energybench.results.model import Case, Run, VerdictKind

Kind = VerdictKind | Literal["unjudged"]

WORST_FIRST: tuple[Kind, ...] = (
    "error",
    "regressed",
    "inconclusive",
    "within",
    "improved",
    "unjudged",
)
"""Order in which a reader wants to meet them."""

WORDS: dict[Kind, str] = {
    "error": "error",
    "regressed": "regressed",
    "inconclusive": "inconclusive",
    "within": "within",
    "improved": "improved",
    "unjudged": "not judged",
}

GLYPHS: dict[Kind, str] = {
    "error": "✕",
    "regressed": "▲",
    "inconclusive": "?",
    "within": "=",
    "improved": "▼",
    "unjudged": "·",
}
"""A shape beside the word and the colour, so that no verdict hangs on colour."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as text and as the number it sorts by (None sorts last)."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """One comparison in words.

    Attributes:
        origin: `budget`, `baseline` or `stored`.
        against: what it was compared with, e.g. `baseline resnet18-baseline`.
        limit: the limit with its unit, empty where there is none.
        delta, interval: relative change and its one-sided 95 % bounds, empty where unknown.
        basis: method and number of rounds.
        time_ratio: the energies are estimates from CPU time, so the ratio is one of times.
    """

    origin: str
    against: str
    quantity: str
    limit: str
    kind: VerdictKind
    reason: str
    delta: str
    interval: str
    basis: str
    time_ratio: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case: a row of every table.

    Attributes:
        source: the case itself, for what only one report needs.
        key: short and stable name of the case, made from its node id; a deep link's target.
        kind, word: the verdict, and the word shown for it.
        expected: the test declared the outcome beforehand (xfail).
        energy, facility: own unit each; `energy_column` holds them with the column's unit.
        uncertainty: of the energy, in joules.
        delta: change of energy against the baseline (the group's, else the stored one).
        provenance: `measured`, `integrated`, `estimated` or a mixture in words.
        time_ratio: the delta is a ratio of times (see `ComparisonView`).
    """

    source: Case
    key: str
    label: str
    kind: Kind
    word: str
    expected: bool
    energy: Quantity
    energy_column: Quantity
    facility: Quantity
    uncertainty: float | None
    delta: Cell
    interval: tuple[float, float] | None
    duration: Cell
    accuracy: Cell
    accuracy_change: float | None
    provenance: str
    estimated: bool
    time_ratio: bool
    comparisons: tuple[ComparisonView, ...]
    reason: str

    @property
    def reason_is_time_ratio(self) -> bool:
        """Whether the reason speaks of energies whose ratio is one of times; accuracy has none."""
        if not self.comparisons:
            return self.time_ratio
        return any(each.time_ratio and each.reason == self.reason for each in self.comparisons)

    @property
    def needs_a_look(self) -> bool:
        """Whether a reviewer has to decide something here."""
        if self.source.outcome in ("failed", "error") or self.kind == "error":
            return True
        return self.kind in ("regressed", "inconclusive") and not self.expected


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases ended with a verdict, and their share of all cases (for the bar)."""

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


@dataclass(frozen=True, slots=True)
class HostView:
    """One of several machines that the cases ran on, in words."""

    name: str
    machine: str
    meters: str


@dataclass(frozen=True, slots=True)
class RunView:
    """A run ready to be laid out.

    Attributes:
        source: the run itself.
        headline: the verdict of the run in one sentence.
        cost: what measuring took, in one sentence.
        counts: verdicts, worst first, only those that occur.
        cases: in the order they ran.
        looks: the cases that need a look, worst first.
        hosts: the machines, where the cases ran on several.
        pue: facility energy / IT energy.
        estimate_note: what an energy ratio means in this run where energy is estimated.
        has_accuracy, has_facility, has_rounds, has_delta: which columns say anything.
    """

    source: Run
    headline: str
    cost: str
    counts: tuple[Count, ...]
    cases: tuple[CaseView, ...]
    looks: tuple[CaseView, ...]
    meters: tuple[MeterView, ...]
    hosts: tuple[HostView, ...]
    provenance: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    pue: float
    estimate_note: str
    has_accuracy: bool
    has_facility: bool
    has_rounds: bool
    has_delta: bool
