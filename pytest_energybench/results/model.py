"""What a run is made of: the one typed structure from the meter to the report.

Energy is in joules, durations are in seconds, times are UTC in ISO 8601. Domains are words such as
``gpu:0``, ``cpu:0``, ``dram:0`` (counters) or ``cpu`` and ``ram`` (estimates); a mapping called
``energy_j`` always goes from domain to joules. ``None`` as an energy means that it is not known
(a domain was lost), never that it was zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field

from pytest_energybench.base import domains
from pytest_energybench.base.flags import BUSY, SHORT

SCHEMA_VERSION = 2

# Words of a run file. A file of a later version may use others, and one new word must not cost
# its reader the whole file: the fields hold any text, and the words known here are listed beside
# them. `Literal`s are what the code of this version itself writes.

ResultKind = Literal["pass", "fail", "xfail", "unknown"]
Finding = Literal[
    "less", "same", "more", "unclear", "lower", "higher", "kept", "lost", "undecided", "better"
]
Outcome = Literal["passed", "failed", "skipped", "xfailed", "xpassed", "error"]
Reference = Literal["budget", "group", "stored"]

Provenance = Annotated[str, Meta(examples=list(get_args(domains.Provenance)))]
"""One of these words, or one of a later version."""

LARGEST = 1e30
LARGEST_INT = 2**63 - 1
"""Figures are bounded, so that sums, means and products of what stands in a file are finite, too,
and integers, so that every reader has a type for them."""

Integer = Annotated[int, Meta(ge=-LARGEST_INT, le=LARGEST_INT)]
Scalar = str | Integer | float | bool | None

Joules = Annotated[float, Meta(ge=0, le=LARGEST)]
Seconds = Annotated[float, Meta(ge=0, le=LARGEST)]
Count = Annotated[int, Meta(ge=0, le=LARGEST_INT)]
Units = Annotated[float, Meta(ge=0, le=LARGEST)]
"""A count of functional units, which may be a fraction."""

MORE_THAN = "more than "
OVER_BUDGET = "over budget"
ACCURACY_LOST = "accuracy lost"
NOT_MEASURED = "not measured"
NOT_COMPARABLE = "not comparable"
TOO_NOISY = "too noisy"
NOT_JUDGED = "not judged"
"""Why a result is what it is, beside `BUSY` and `SHORT`; `MORE_THAN` goes before the reference's
name."""

# A run is a tree, as its file is: no struct is ever part of a cycle, so the garbage collector need
# not follow them (gc=False), which reads 10^5 cases in half the time.


class Result(Struct, frozen=True, kw_only=True, gc=False):
    """What a rule, or a case with all its rules, came to; a case's decides the exit status.

    Attributes:
        kind: `fail` makes the exit status other than 0, the others do not.
        reason: why, in a word from a closed list; empty where a rule simply holds.
        text: one sentence for people, with the figures.
    """

    kind: Annotated[str, Meta(examples=list(get_args(ResultKind)))]
    reason: Annotated[
        str,
        Meta(
            examples=[
                f"{MORE_THAN}main",
                OVER_BUDGET,
                ACCURACY_LOST,
                NOT_MEASURED,
                NOT_COMPARABLE,
                TOO_NOISY,
                SHORT,
                BUSY,
                NOT_JUDGED,
            ]
        ),
    ] = ""
    text: str = ""


class Comparison(Struct, frozen=True, kw_only=True, gc=False):
    """One case against one named reference.

    Attributes:
        reference: a stated `budget`, the `group`'s reference case of this run, or a `stored` run.
        name: what people call it: where the budget is stated, the reference case, the stored run.
        nodeid: the case compared with; None for a budget.
        quantity: what was compared: `energy`, `accuracy`, `duration` or `perplexity`.
        unit: functional unit that the energy is per one of, e.g. `token`: `limit` and
            `reference_j` are then, too. Empty for the energy of a whole round.
        window: name of the windows that it is about; empty for the whole case.
        finding: of energy and duration `less` (upper bound below 0), `same` (both bounds within
            the margin), `more` (lower bound above the margin), else `unclear`; where there are no
            bounds `lower` or `higher`, and `same` for equal figures. Of accuracy and perplexity
            `kept`, `lost` or `undecided`, and `better` where an accuracy's interval lies above 0.
        limit: the limit in the quantity's own unit (J, fraction, s), where there is one.
        margin: what was tolerated: a relative increase of energy, an absolute drop of accuracy
            (0.03 is 3 %, or 3 points); with it the comparison can be judged again.
        estimate: relative change of energy, duration or perplexity, candidate / reference - 1;
            of an accuracy the difference (-0.01 is one point less).
        interval: one-sided lower and upper 95 % bound of `estimate`, where n allows one; among
            many cases each as wide as Holm's procedure asks.
        method: how it was compared: `threshold`, `paired`, `welch`, `prediction`; the latter two
            with `, holm` among many cases.
        n: independent rounds it rests on.
        reference_j: joules of the rounds of the case that it was compared with.
        judged: what the rule came to that asked for it; None where none did.
    """

    reference: Annotated[str, Meta(examples=list(get_args(Reference)))]
    name: str = ""
    nodeid: str | None = None
    quantity: Annotated[str, Meta(examples=["energy", "accuracy", "duration", "perplexity"])] = (
        "energy"
    )
    unit: str = ""
    window: str = ""
    finding: Annotated[str, Meta(examples=list(get_args(Finding)))]
    limit: float | None = None
    margin: Annotated[float, Meta(ge=0)] | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    method: str = "threshold"
    n: Count = 1
    reference_j: list[Joules] = field(default_factory=list)
    judged: Result | None = None


class Window(Struct, frozen=True, kw_only=True, gc=False):
    """A bracketed piece of work inside a case.

    Attributes:
        place: `counted`: its joules are in the case's energy; `inner`: they are, through the
            window around it; `beside`: they are kept outside the case's energy (a search).
        round: number of the round it ran in, from 0.
        idle_j: domain -> joules of idle power that were subtracted; empty where none were.
            `energy_j` + `idle_j` is what was metered.
    """

    name: str
    started: str
    duration_s: Seconds
    energy_j: dict[str, Joules]
    total_j: Joules | None
    provenance: dict[str, Provenance]
    place: Annotated[str, Meta(examples=["counted", "inner", "beside"])] = "counted"
    round: Count = 0
    idle_j: dict[str, Joules] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Round(Struct, frozen=True, kw_only=True, gc=False):
    """One independent repetition of a case.

    Attributes:
        iterations: calls of the function inside the round; the figures are per call.
        idle_j: as in `Window`.
        seed: of the work's random numbers, where it has one.
        metrics: what the test recorded in this round.
        units: functional unit -> how many of it the round made.
        answers: which items of its test set were answered rightly, as `results.answers` packs
            them; empty where that was not recorded.
    """

    started: str
    duration_s: Seconds
    energy_j: dict[str, Joules]
    total_j: Joules | None
    iterations: Annotated[int, Meta(ge=1, le=LARGEST_INT)] = 1
    idle_j: dict[str, Joules] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    seed: Integer | None = None
    metrics: dict[str, Scalar] = field(default_factory=dict)
    units: dict[str, Units] = field(default_factory=dict)
    answers: str = ""


class Search(Struct, frozen=True, kw_only=True, gc=False):
    """What was spent before training to find how far a method can go (paper, Sections 3.2-3.4).

    Attributes:
        parameter: what was searched over, e.g. `zeroed bits`.
        found: the value found.
        curve: probed (level, accuracy) points (Figure 1).
        at_most: (level, accuracy) of those that were broken off, once they had lost too much; the
            accuracy is the most that it can be.
        evaluations: of the validation split, those broken off included; `images` counts the images
            seen.
        duration_s: of this search, or of the windows beside the case's energy.
        energy_j, total_j: of one round, the median over those that searched.
        reference_evaluations: what the paper's own scan would have taken.
        pays_after: trainings after which the search has paid for itself; None where training
            saves nothing.
        earlier: searches of this case that went before, where methods are combined. Their counts
            and seconds are their own; joules stand here only, of all together.
    """

    parameter: str
    found: float
    curve: list[tuple[float, float]]
    evaluations: Count
    images: Count
    duration_s: Seconds = 0.0
    energy_j: dict[str, Joules] = field(default_factory=dict)
    total_j: Joules | None = None
    reference_evaluations: Count | None = None
    at_most: list[tuple[float, float]] = field(default_factory=list)
    pays_after: float | None = None
    earlier: list[Search] = field(default_factory=list)


class Series(Struct, frozen=True, kw_only=True, gc=False):
    """Points of a curve that belongs to a case: loss over epochs, power over time.

    Attributes:
        round: number of the round it was recorded in, from 0.
    """

    name: str
    x: str
    points: list[tuple[float, float]]
    unit: str = ""
    round: Count = 0


class Case(Struct, frozen=True, kw_only=True, gc=False):
    """One test's figures. Energies and duration are medians over the rounds.

    Attributes:
        expected: why the test was to fail, as its xfail says; empty for any other.
        implicit: the test was deselected and brought back as its group's baseline.
        baseline: it is its group's baseline.
        host: name of the one of `Run.hosts` it ran on; None where the run is of one machine, and
            for a case that ran nowhere.
        total_j: IT energy, the sum over domains: what budgets and gates judge.
        facility_j: PUE x total_j.
        metrics: what the test recorded; `accuracy` is correct/total where those were given. Of
            several rounds that each recorded, the mean of a number, and a word only if all have it.
        units: functional unit, e.g. `token` -> how many of it a round made, the median over the
            rounds; only units that were counted in every round.
        idle_j: as in `Window`.
        result: the worst of what its comparisons were judged to be.
    """

    nodeid: str
    name: str
    group: str | None = None
    baseline: bool = False
    host: str | None = None
    params: dict[str, Scalar] = field(default_factory=dict)
    outcome: Annotated[str, Meta(examples=list(get_args(Outcome)))] = "passed"
    expected: str = ""
    implicit: bool = False
    rounds: list[Round] = field(default_factory=list)
    total_j: Joules | None = None
    facility_j: Joules | None = None
    duration_s: Seconds = 0.0
    energy_j: dict[str, Joules] = field(default_factory=dict)
    idle_j: dict[str, Joules] = field(default_factory=dict)
    provenance: dict[str, Provenance] = field(default_factory=dict)
    metrics: dict[str, Scalar] = field(default_factory=dict)
    units: dict[str, Units] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    search: Search | None = None
    series: list[Series] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    result: Result | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of its rounds, where each has one."""
        found = tuple(each.seed for each in self.rounds if each.seed is not None)
        return found if len(found) == len(self.rounds) else ()

    @property
    def missing(self) -> str:
        """Why its figures are of a part of its work: what its errors say that none of its windows
        says, which name what they have lost themselves. Empty where they are of all of it."""
        lost = {error for window in self.windows for error in window.errors} if self.errors else ()
        return next((error for error in self.errors if error not in lost), "")


class MeterInfo(Struct, frozen=True, kw_only=True, gc=False):
    """One domain of the run's meter and how far its figures can be trusted.

    Attributes:
        resolution: smallest step of the figure in joules, where there is one.
        error: relative error (0.3 is +-30 %), where stated.
        period_s: update period of the counter, or sampling period.
        note: where the figure comes from, for people.
        estimate_version: of the model behind an estimate; its figures are alike in one version.
        idle_w: watts of an estimate that are there whatever runs; the rest is the work's own.
    """

    domain: str
    source: str
    provenance: Provenance
    resolution: Joules | None = None
    error: Annotated[float, Meta(ge=0)] | None = None
    period_s: Seconds | None = None
    note: str = ""
    estimate_version: Integer | None = None
    idle_w: Annotated[float, Meta(ge=0)] | None = None


class Machine(Struct, frozen=True, kw_only=True, gc=False):
    """The machine as far as its energy figures depend on it; no host or user name.

    Attributes:
        fingerprint: short hash over processor, cores, memory and GPUs; equal on machines whose
            figures may be compared.
        libraries: name -> version of numpy, torch and their like that are installed, used or not;
            another version is no reason not to compare.
        hostname: only where the user asked for it.
    """

    fingerprint: str
    cpu: str
    cores: Count
    memory_bytes: Count
    gpus: list[str] = field(default_factory=list)
    os: str = ""
    python: str = ""
    libraries: dict[str, str] = field(default_factory=dict)
    hostname: str | None = None


class Commit(Struct, frozen=True, kw_only=True, gc=False):
    """A commit that cases were made at; `dirty` when tracked files differed from it."""

    id: str
    dirty: bool = False
    branch: str | None = None
    subject: str = ""


def distinct(commits: Iterable[Commit]) -> list[Commit]:
    """Each commit once, by its id and whether it was dirty: a checkout without a branch is of no
    other code than one with it."""
    found: dict[tuple[str, bool], Commit] = {}
    for each in commits:
        known = found.setdefault((each.id, each.dirty), each)
        if known.branch is None:
            found[each.id, each.dirty] = each
    return list(found.values())


class Shard(Struct, frozen=True, kw_only=True, gc=False):
    """The share of a session's cases that one run took over.

    Attributes:
        index: which share, from 1.
        count: how many shares there are.
        planned: node ids that this share was to run, so that one that is missing is found.
    """

    index: Annotated[int, Meta(ge=1, le=LARGEST_INT)]
    count: Annotated[int, Meta(ge=1, le=LARGEST_INT)]
    planned: list[str] = field(default_factory=list)


class Host(Struct, frozen=True, kw_only=True, gc=False):
    """One of several machines that a run's cases ran on; the fields are those of `Run`.

    Attributes:
        name: `host 1`, `host 2`, ... ; the machine's own name is in `machine`, where it was asked
            for.
    """

    name: str
    machine: Machine
    meters: list[MeterInfo] = field(default_factory=list)
    settings: dict[str, Scalar] = field(default_factory=dict)


class StoredRun(Struct, frozen=True, kw_only=True, gc=False):
    """The stored run that cases were compared with, and what the two have not in common.

    Attributes:
        name: what people call it: its name, or its file's.
        differences: in what machine, meters or settings differ; empty where they are alike.
        stale: its cases that are no longer metered tests.
        not_run: its cases that still are tests and were not run.
        noise: that margins are below what this machine can tell apart; empty where none is known
            to be.
    """

    name: str
    created: str = ""
    commit: Commit | None = None
    differences: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    noise: str = ""


class Run(Struct, frozen=True, kw_only=True, gc=False):
    """A session's cases with machine, meters, settings and commits.

    Attributes:
        commits: every commit that cases of the run were made at, the session's own last.
        hosts: the machines, where cases ran on several; machine, meters and settings of the run
            itself are then those of the first.
        shard: the share of the cases this run took over; None for all.
        settings: what the figures depend on beyond the code: `pue`, `carbon_intensity` (g/kWh),
            `embodied_g_per_h`, `water_l_per_kwh`, `rounds`, and what the benches add (preset, data,
            weights, ...).
        compared_with: the stored run that the cases were compared with.
        failures: why the session fails beside its cases, e.g. a case that the stored run lacks.
        errors: what went wrong outside any one case, e.g. a meter that could not be read.
    """

    schema_version: int = SCHEMA_VERSION
    created: str = ""
    commits: list[Commit] = field(default_factory=list)
    machine: Machine
    meters: list[MeterInfo] = field(default_factory=list)
    settings: dict[str, Scalar] = field(default_factory=dict)
    hosts: list[Host] = field(default_factory=list)
    shard: Shard | None = None
    compared_with: StoredRun | None = None
    cases: list[Case] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def gaps(self) -> list[str]:
        """Which of its failures say that a part of it is missing: those that are errors, too."""
        return [line for line in self.failures if line in self.errors]

    @property
    def commit(self) -> Commit | None:
        """The last commit that cases were made at."""
        return self.commits[-1] if self.commits else None
