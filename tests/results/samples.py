"""Runs for tests: small, whole, and with every kind of field in use."""

from pytest_energybench.results.journal import Journal
from pytest_energybench.results.model import (
    Case,
    Commit,
    Comparison,
    Machine,
    MeterInfo,
    Result,
    Round,
    Run,
    Search,
    Series,
    Window,
)

MACHINE = Machine(
    fingerprint="3f2a9c", cpu="Some CPU @ 2.0 GHz", cores=2, memory_bytes=8 * 2**30, os="Linux"
)
METERS = [
    MeterInfo(domain="cpu", source="cpu-time", provenance="estimated", error=0.3),
    MeterInfo(domain="ram", source="ram-size", provenance="estimated", error=0.5),
]


def make_case(name, *joules, group=None, baseline=False, **fields):
    """A case of one round for each figure; its total is their median."""
    rounds = [
        Round(
            started="2026-01-02T03:04:05Z",
            duration_s=each / 10,
            energy_j={"cpu": 0.75 * each, "ram": 0.25 * each},
            total_j=each,
        )
        for each in joules
    ]
    total = sorted(joules)[len(joules) // 2]
    values = {
        "nodeid": f"tests/test_x.py::{name}",
        "name": name,
        "group": group,
        "baseline": baseline,
        "rounds": rounds,
        "total_j": total,
        "facility_j": 1.58 * total,
        "duration_s": total / 10,
        "energy_j": {"cpu": 0.75 * total, "ram": 0.25 * total},
        "provenance": {"cpu": "estimated", "ram": "estimated"},
    }
    return Case(**(values | fields))


def resumed(path, head):
    """A journal that a later session goes on with, and what it holds."""
    journal = Journal.claim(path)
    try:
        return journal, journal.begin(head)
    except BaseException:
        journal.close()
        raise


def make_run(*cases, **fields):
    """A run of some cases on the one machine."""
    values = {
        "created": "2026-01-02T03:04:05Z",
        "machine": MACHINE,
        "meters": list(METERS),
        "settings": {"pue": 1.58, "rounds": 1, "preset": "quick"},
        "cases": list(cases),
    }
    return Run(**(values | fields))


def full_run():
    """A run with every kind of field in use."""
    result = Result(kind="fail", reason="more than main", text="énergie +8 %")
    case = make_case(
        "test_full",
        9.0,
        10.0,
        11.0,
        group="g",
        baseline=True,
        params={"model": "resnet18", "n": 20, "amp": True, "rate": 0.5, "none": None},
        metrics={"accuracy": 0.975, "correct": 39, "total": 40},
        windows=[
            Window(
                name="train",
                started="2026-01-02T03:04:05Z",
                duration_s=1.0,
                energy_j={"cpu": 1.0},
                total_j=None,
                provenance={"cpu": "estimated"},
                errors=["ram was lost"],
            )
        ],
        search=Search(
            parameter="zeroed bits",
            found=20.0,
            curve=[(16.0, 0.98), (20.0, 0.975)],
            evaluations=5,
            images=500,
        ),
        series=[Series(name="loss", x="epoch", points=[(1.0, 0.5), (2.0, 0.25)])],
        comparisons=[
            Comparison(
                reference="stored",
                name="main",
                nodeid="tests/test_x.py::test_full",
                finding="more",
                limit=10.3,
                margin=0.03,
                estimate=0.08,
                interval=(0.05, 0.11),
                method="welch",
                n=3,
                judged=result,
            )
        ],
        result=result,
    )
    commit = Commit(id="0" * 40, dirty=True, branch="main", subject="Test")
    return make_run(case, commits=[commit])
