"""Runs to write reports from: the paper's matrix on an estimate, a CI run on counters, a big one.

Every figure follows from a seed, so golden files stay what they are.
"""

from __future__ import annotations

import math
import random
import statistics

from msgspec.structs import replace

from pytest_energybench.gates.comparisons import judge_budget, judge_group
from pytest_energybench.gates.judge import with_changes
from pytest_energybench.gates.results import DEFAULT_FAILS, conclude, judged
from pytest_energybench.report import figures
from pytest_energybench.results.model import (
    Case,
    Commit,
    Comparison,
    Finding,
    Machine,
    MeterInfo,
    Round,
    Run,
    Search,
    Series,
    StoredRun,
    Window,
)

MACHINE = Machine(
    fingerprint="9f2c1ab04e77",
    cpu="Intel Xeon Platinum 8488C",
    cores=2,
    memory_bytes=24 * 2**30,
    os="Linux 6.1",
    python="3.11.9",
)
ESTIMATES = [
    MeterInfo(
        domain="cpu",
        source="cpu-time",
        provenance="estimated",
        error=0.3,
        note="CPU time of the process tree x watts per core",
    ),
    MeterInfo(domain="ram", source="ram-size", provenance="estimated", error=0.5, note="24 GiB"),
]
COUNTERS = [
    MeterInfo(
        domain="cpu:0",
        source="rapl",
        provenance="measured",
        resolution=6.1e-5,
        error=0.02,
        period_s=0.001,
        note="/sys/class/powercap/intel-rapl:0",
    ),
    MeterInfo(
        domain="gpu:0",
        source="nvml",
        provenance="measured",
        resolution=0.001,
        error=0.05,
        period_s=0.1,
        note="total energy counter, NVIDIA L4",
    ),
]
# Relative energy of a ResNet50 baseline training and accuracy, in no unit but their proportion.
MODELS = {
    "alexnet": (0.42, 0.958),
    "resnet18": (0.38, 0.981),
    "resnet34": (0.66, 0.983),
    "resnet50": (1.0, 0.978),
    "resnet101": (1.72, 0.981),
    "inception_v3": (1.35, 0.975),
    "densenet121": (0.74, 0.986),
    "vgg16": (3.4, 0.972),
    "convnext_base": (3.7, 0.989),
}
# Time against the baseline, accuracy change, compression, what was searched over.
METHODS = {
    "baseline": (1.0, 0.0, 0.0, ""),
    "steganographic": (0.62, -0.001, 0.6094, "zeroed bits"),
    "pruning": (1.02, -0.003, 0.34, "pruning rate"),
    "lowrank": (0.93, -0.006, 0.29, "ranks"),
}
STARTED = "2026-03-01T12:00:00Z"


def paper_run() -> Run:
    """9 models x 4 methods, one round each, everything estimated from CPU time."""
    rng = random.Random(7)
    cases: list[Case] = []
    reference: Case | None = None
    for model, (size, accuracy) in MODELS.items():
        baseline_j = 0.0
        for method, (ratio, change, compression, searched) in METHODS.items():
            noise = math.exp(rng.gauss(0, 0.04))
            duration = 92.0 * size * ratio * noise
            total = duration * 41.5
            baseline_j = baseline_j or total
            got = round(accuracy + change + rng.gauss(0, 0.002), 4)
            case = _paper_case(model, method, duration, got, compression, searched, baseline_j, rng)
            reference = case if method == "baseline" else reference
            if reference is not None and reference is not case:
                found = judge_group(case, reference, margin=0.0, interleaved=False)
                case = replace(case, comparisons=[found])
            cases.append(judged(case))
    run = Run(
        created=STARTED,
        commits=[
            Commit(id="4be1c0ffee" * 4, dirty=True, branch="main", subject="Round to nearest")
        ],
        machine=MACHINE,
        meters=ESTIMATES,
        settings={"pue": 1.58, "rounds": 1, "preset": "quick", "data": "digits", "seed": 0},
        cases=cases,
    )
    return with_changes(run)


def _paper_case(
    model: str,
    method: str,
    duration: float,
    accuracy: float,
    compression: float,
    searched: str,
    baseline_j: float,
    rng: random.Random,
) -> Case:
    energy = {"cpu": duration * 36.0, "ram": duration * 5.5}
    total = sum(energy.values())
    nodeid = f"bench_cases/test_paper.py::test_paper[{model}-{method}]"
    epochs = rng.choice([5, 6, 7])
    return Case(
        nodeid=nodeid,
        name=f"{model}-{method}",
        group=model,
        baseline=method == "baseline",
        params={"model": model, "method": method},
        outcome="xfailed"
        if method != "steganographic" and searched and total > baseline_j
        else "passed",
        rounds=[Round(started=STARTED, duration_s=duration, energy_j=energy, total_j=total)],
        total_j=total,
        facility_j=1.58 * total,
        duration_s=duration,
        energy_j=energy,
        provenance={"cpu": "estimated", "ram": "estimated"},
        metrics={
            "accuracy": accuracy,
            "epochs": epochs,
            "compression": compression,
            "parameters": 11_689_512,
        },
        search=_search(searched, duration, total, baseline_j) if searched else None,
        series=[
            Series(
                name="validation loss",
                x="epoch",
                points=[(float(e), 0.9 * 0.6**e + 0.05) for e in range(1, epochs + 1)],
            ),
        ],
        windows=[_window("train", duration, energy)],
    )


def _search(parameter: str, duration: float, total: float, baseline_j: float) -> Search:
    saved = baseline_j - total
    return Search(
        parameter=parameter,
        found=20,
        curve=[(8, 0.981), (16, 0.981), (20, 0.979), (21, 0.968), (22, 0.94), (24, 0.61)],
        evaluations=6,
        images=6 * 720,
        duration_s=duration * 0.3,
        energy_j={"cpu": total * 0.26, "ram": total * 0.04},
        total_j=total * 0.3,
        reference_evaluations=21,
        pays_after=total * 0.3 / saved if saved > 0 else None,
    )


def _window(name: str, duration: float, energy: dict[str, float]) -> Window:
    return Window(
        name=name,
        started=STARTED,
        duration_s=duration,
        energy_j=energy,
        total_j=sum(energy.values()),
        provenance={},
    )


STORED = StoredRun(
    name="main",
    created="2026-02-27T08:00:00Z",
    commit=Commit(id="fedcba9876543210", branch="main"),
    stale=["tests/test_codec.py::test_encode[gif]"],
)


def passing_run() -> Run:
    """The CI run without what failed or stayed open."""
    run = ci_run()
    cases = [case for case in run.cases if case.result and case.result.kind == "pass"]
    return replace(run, cases=cases, errors=[])


def both_run() -> Run:
    """The CI run, each case held against a group's reference, too, and per unit of its work."""
    run = ci_run()
    cases = []
    for number, case in enumerate(run.cases):
        name = "the reference of this group"
        against = Comparison(
            reference="group",
            name=name,
            nodeid=run.cases[0].nodeid if number % 2 else None,
            finding="more",
            margin=0.0,
            estimate=0.4,
            interval=(0.35, 0.45),
            method="paired",
            n=5,
            reference_j=[joules / 1.4 for joules in figures.round_totals(case)],
            judged=conclude(f"more than {name}", "energy is above it", DEFAULT_FAILS),
        )
        per_image = judge_budget(0.5, 0.4, unit="image", n=5)
        known = case.total_j is not None
        cases.append(
            judged(
                replace(
                    case,
                    group="codec",
                    comparisons=[against, *case.comparisons, per_image] if known else [],
                    rounds=[replace(each, units={"image": 1200.0}) for each in case.rounds],
                    units={"image": 1200.0} if known else {},
                    metrics={"accuracy": 0.9},
                    result=None,
                )
            )
        )
    return replace(run, cases=cases)


def ci_run() -> Run:
    """A library's CI: a budget, a stored run, five rounds on counters, every finding."""
    rng = random.Random(11)
    plan: list[tuple[str, float, float, Finding | None]] = [
        ("test_encode[jpeg]", 41.0, 0.12, "more"),
        ("test_encode[png]", 63.0, 0.01, "same"),
        ("test_encode[webp]", 88.0, -0.22, "less"),
        ("test_decode[jpeg]", 9.4, 0.03, "unclear"),
        ("test_decode[png]", 12.2, -0.02, "same"),
        ("test_thumbnail", 0.36, -0.31, "less"),
        ("test_index_build", 5_400.0, 0.0, "same"),
        ("test_query", 0.0042, 0.0, None),
    ]
    cases = [_ci_case(name, size, change, kind, rng) for name, size, change, kind in plan]
    cases.append(
        judged(
            Case(
                nodeid="tests/test_codec.py::test_stream",
                name="test_stream",
                outcome="error",
                errors=["gpu:0 was lost at 12:03:11: NVML returned GPU_IS_LOST"],
            )
        )
    )
    return Run(
        created=STARTED,
        commits=[
            Commit(id="0123456789abcdef", branch="faster-webp", subject="Vectorise the filter")
        ],
        machine=MACHINE,
        meters=COUNTERS,
        settings={"pue": 1.0, "rounds": 5, "carbon_intensity": 380},
        cases=cases,
        errors=["dram:0 could not be read: permission denied"],
        compared_with=STORED,
    )


REASONS: dict[Finding, str] = {"more": "more than main", "unclear": "too noisy"}


def _ci_case(
    name: str, size: float, change: float, finding: Finding | None, rng: random.Random
) -> Case:
    totals = [size * (1 + change) * math.exp(rng.gauss(0, 0.012)) for _ in range(5)]
    rounds = [
        Round(
            started=STARTED,
            duration_s=total / 65,
            energy_j={"cpu:0": total * 0.4, "gpu:0": total * 0.6},
            total_j=total,
        )
        for total in totals
    ]
    total = statistics.median(totals)
    stored_j = [joules / (1 + change) for joules in reversed(totals)]
    comparisons = []
    if finding is not None:
        text = f"energy {change:+.1%} against main, margin 5 %"
        near, far = (0.018, 0.018) if finding != "unclear" else (0.09, 0.1)
        comparisons.append(
            Comparison(
                reference="stored",
                name="main",
                nodeid=f"tests/test_codec.py::{name}",
                finding=finding,
                limit=size * 1.05,
                margin=0.05,
                estimate=change,
                interval=(change - near, change + far),
                method="welch, holm",
                n=5,
                reference_j=stored_j,
                judged=conclude(REASONS.get(finding, ""), text, DEFAULT_FAILS),
            )
        )
    if name == "test_index_build":
        comparisons.append(judge_budget(total, 5_760.0, source="energy-budgets.toml, *", n=5))
    case = Case(
        nodeid=f"tests/test_codec.py::{name}",
        name=name,
        rounds=rounds,
        total_j=total,
        facility_j=total,
        duration_s=total / 65,
        energy_j={"cpu:0": total * 0.4, "gpu:0": total * 0.6},
        provenance={"cpu:0": "measured", "gpu:0": "measured"},
        metrics={"images": 1200},
        series=[
            Series(
                name="power",
                x="s",
                unit="W",
                points=[(i * total / 65 / 40, 65 + 20 * math.sin(i / 5)) for i in range(41)],
            )
        ]
        if size > 50
        else [],
        flags=["another process used gpu:0"] if name == "test_decode[jpeg]" else [],
        comparisons=comparisons,
    )
    return judged(case)


CHANGES: dict[Finding, float] = {"same": 0.0, "less": -0.2, "more": 0.2, "unclear": 0.03}


def big_run(cases: int = 2_000, rounds: int = 5) -> Run:
    """A large generic suite: every case compared with a stored run."""
    rng = random.Random(3)
    kinds: list[Finding] = ["same"] * 17 + ["less", "more", "unclear"]
    made = []
    for index in range(cases):
        size = 10 ** rng.uniform(-2, 4)
        kind = kinds[index % 20]
        change = CHANGES[kind] * rng.uniform(0.9, 1.1)
        case = _ci_case(f"test_{index:04d}[size-{index % 7}]", size, change, kind, rng)
        made.append(
            Case(
                nodeid=f"tests/unit/test_part_{index // 50:02d}.py::{case.name}",
                name=case.name,
                params={"size": index % 7},
                rounds=case.rounds[:rounds],
                total_j=case.total_j,
                facility_j=case.facility_j,
                duration_s=case.duration_s,
                energy_j=case.energy_j,
                provenance=case.provenance,
                metrics={"items": index},
                comparisons=case.comparisons,
                result=case.result,
            )
        )
    return Run(created=STARTED, machine=MACHINE, meters=COUNTERS, cases=made)


def wordy_run() -> Run:
    """The CI run with names, groups, flags and values that no line can hold."""
    run = ci_run()
    cases = [
        replace(
            case,
            nodeid="n" * 600 + case.nodeid,
            name="x" * 300 + case.name,
            group="g" * 200,
            params={"p" * 80: "v" * 400},
            metrics={"m" * 90: "w" * 300, "accuracy": 0.9},
            flags=["f" * 300],
        )
        for case in run.cases
    ]
    return replace(run, cases=cases, errors=["e" * 400])


def empty_run() -> Run:
    """Nothing was metered."""
    return Run(created=STARTED, machine=MACHINE)
