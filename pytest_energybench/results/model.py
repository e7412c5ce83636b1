"""What a run is made of: the one typed structure from the meter to the report.

Energy is in joules, durations are in seconds, times are UTC in ISO 8601. Domains are words such as
``gpu:0``, ``cpu:0``, ``dram:0`` (counters) or ``cpu`` and ``ram`` (estimates); a mapping called
``energy_j`` always goes from domain to joules. ``None`` as an energy means that it is not known
(a domain was lost), never that it was zero.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

SCHEMA_VERSION = 1

Provenance = Literal["measured", "integrated", "estimated"]
"""`measured`: a hardware counter; `integrated`: sampled power; `estimated`: a model."""

VerdictKind = Literal["improved", "within", "regressed", "inconclusive", "error"]
Outcome = Literal["passed", "failed", "skipped", "xfailed", "xpassed", "error"]
Origin = Literal["budget", "baseline", "stored"]
Scalar = str | int | float | bool | None

Joules = Annotated[float, Meta(ge=0, le=1e30)]
Seconds = Annotated[float, Meta(ge=0, le=1e30)]
"""Bounded, so that sums, means and products of figures from a file are finite, too."""

Count = Annotated[int, Meta(ge=0)]

SEVERITY: tuple[VerdictKind, ...] = ("improved", "within", "inconclusive", "regressed", "error")
"""Verdict kinds from best to worst; a case's verdict is the worst of its comparisons."""

# A run is a tree, as its file is: no struct is ever part of a cycle, so the garbage collector need
# not follow them (gc=False), which reads 10^5 cases in half the time.


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """A judgement and what it rests on.

    Attributes:
        kind: what was found.
        reason: one sentence for people, with the figures.
        delta: relative change of energy, candidate / reference - 1 (0.02 is +2 %), where known;
            for an accuracy the absolute difference (-0.01 is one point less).
        interval: one-sided 95 % lower and upper bound of `delta`, where n allows one.
        method: `threshold`, `paired`, `welch`, ... : how it was judged.
        n: independent rounds it rests on.
    """

    kind: VerdictKind
    reason: str
    delta: float | None = None
    interval: tuple[float, float] | None = None
    method: str = "threshold"
    n: Count = 1


class Comparison(Struct, frozen=True, kw_only=True, gc=False):
    """One case against one thing it is compared with.

    Attributes:
        origin: a stated `budget`, the group's `baseline` of this run, or a `stored` run.
        nodeid: the case compared with; None for a budget.
        quantity: what was compared: `energy`, `accuracy` or `duration`.
        limit: the limit in the quantity's own unit (J, fraction, s), where there is one.
        margin: relative increase of energy that was tolerated (0.03 is 3 %), where one was; with
            it the comparison can be judged again.
        verdict: what came out.
    """

    origin: Origin
    verdict: Verdict
    nodeid: str | None = None
    quantity: Literal["energy", "accuracy", "duration"] = "energy"
    limit: float | None = None
    margin: Annotated[float, Meta(ge=0)] | None = None


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
    place: Literal["counted", "inner", "beside"] = "counted"
    round: Count = 0
    idle_j: dict[str, Joules] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Round(Struct, frozen=True, kw_only=True, gc=False):
    """One independent repetition of a case.

    Attributes:
        iterations: calls of the function inside the round; the figures are per call.
        idle_j: as in `Window`.
    """

    started: str
    duration_s: Seconds
    energy_j: dict[str, Joules]
    total_j: Joules | None
    iterations: Annotated[int, Meta(ge=1)] = 1
    idle_j: dict[str, Joules] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)


class Search(Struct, frozen=True, kw_only=True, gc=False):
    """What was spent before training to find how far a method can go (paper, Sections 3.2-3.4).

    Attributes:
        parameter: what was searched over, e.g. `zeroed bits`.
        found: the value found.
        curve: probed (level, accuracy) points (Figure 1).
        evaluations: full passes over the validation split; `images` counts the images seen.
        duration_s: of this search, or of the windows beside the case's energy.
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
    pays_after: float | None = None
    earlier: list[Search] = field(default_factory=list)


class Series(Struct, frozen=True, kw_only=True, gc=False):
    """Points of a curve that belongs to a case: loss over epochs, power over time."""

    name: str
    x: str
    points: list[tuple[float, float]]
    unit: str = ""


class Case(Struct, frozen=True, kw_only=True, gc=False):
    """One test's figures. Energies and duration are medians over the rounds.

    Attributes:
        implicit: the test was deselected and brought back as its group's baseline.
        baseline: it is its group's baseline.
        host: name of the one of `Run.hosts` it ran on; None where the run is of one machine, and
            for a case that ran nowhere.
        total_j: IT energy, the sum over domains: what budgets and gates judge.
        facility_j: PUE x total_j.
        metrics: what the test recorded; `accuracy` is correct/total where those were given.
        idle_j: as in `Window`.
    """

    nodeid: str
    name: str
    group: str | None = None
    baseline: bool = False
    host: str | None = None
    params: dict[str, Scalar] = field(default_factory=dict)
    outcome: Outcome = "passed"
    implicit: bool = False
    rounds: list[Round] = field(default_factory=list)
    total_j: Joules | None = None
    facility_j: Joules | None = None
    duration_s: Seconds = 0.0
    energy_j: dict[str, Joules] = field(default_factory=dict)
    idle_j: dict[str, Joules] = field(default_factory=dict)
    provenance: dict[str, Provenance] = field(default_factory=dict)
    metrics: dict[str, Scalar] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    search: Search | None = None
    series: list[Series] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    verdict: Verdict | None = None


class MeterInfo(Struct, frozen=True, kw_only=True, gc=False):
    """One domain of the run's meter and how far its figures can be trusted.

    Attributes:
        resolution: smallest step of the figure in joules, where there is one.
        error: relative error (0.3 is +-30 %), where stated.
        period_s: update period of the counter, or sampling period.
        note: where the figure comes from, for people.
    """

    domain: str
    source: str
    provenance: Provenance
    resolution: Joules | None = None
    error: Annotated[float, Meta(ge=0)] | None = None
    period_s: Seconds | None = None
    note: str = ""


class Machine(Struct, frozen=True, kw_only=True, gc=False):
    """The machine as far as its energy figures depend on it; no host or user name.

    Attributes:
        fingerprint: short hash over processor, cores, memory and GPUs; equal on machines whose
            figures may be compared.
        hostname: only where the user asked for it.
    """

    fingerprint: str
    cpu: str
    cores: Count
    memory_bytes: Count
    gpus: list[str] = field(default_factory=list)
    os: str = ""
    python: str = ""
    hostname: str | None = None


class Commit(Struct, frozen=True, kw_only=True, gc=False):
    """The commit the run was made at; `dirty` when tracked files differed from it."""

    id: str
    dirty: bool = False
    branch: str | None = None
    subject: str = ""


class Shard(Struct, frozen=True, kw_only=True, gc=False):
    """The share of a session's cases that one run took over.

    Attributes:
        index: which share, from 1.
        count: how many shares there are.
        planned: node ids that this share was to run, so that one that is missing is found.
    """

    index: Annotated[int, Meta(ge=1)]
    count: Annotated[int, Meta(ge=1)]
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


class Run(Struct, frozen=True, kw_only=True, gc=False):
    """A session's cases with machine, meters, settings and commit.

    Attributes:
        hosts: the machines, where cases ran on several; machine, meters and settings of the run
            itself are then those of the first.
        shard: the share of the cases this run took over; None for all.
        settings: what the figures depend on beyond the code: `pue`, `carbon_intensity` (g/kWh),
            `rounds`, and what the benches add (preset, data, weights, ...).
        compared_with: which stored run the cases were compared with: its name, date and commit.
        errors: what went wrong outside any one case, e.g. a meter that could not be read.
    """

    schema_version: int = SCHEMA_VERSION
    created: str = ""
    commit: Commit | None = None
    machine: Machine
    meters: list[MeterInfo] = field(default_factory=list)
    settings: dict[str, Scalar] = field(default_factory=dict)
    hosts: list[Host] = field(default_factory=list)
    shard: Shard | None = None
    compared_with: str = ""
    cases: list[Case] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
