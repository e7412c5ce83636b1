"""pytest-xdist: one run file whatever the number of workers, and crashes that are told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_energybench.metering import nvml
from pytest_energybench.parallel.xdist import scopes, take_one_gpu, unscoped
from tests.session.suites import GROUPS

SUITE = (
    GROUPS
    + """
CASES = [case(group, method) for method in ("slim", "plain", "pruned") for group in "ABCD"]
SECONDS = {"plain": 10.0, "pruned": 5.0, "slim": 12.0}

@pytest.mark.parametrize(("group", "method"), CASES)
def test_it(energy, work, group, method):
    with energy.measure():
        work(SECONDS[method])
    energy.record(correct=9, total=10)
    energy.assert_accuracy_within_baseline()
    energy.assert_below_baseline()

@pytest.mark.parametrize("i", range(4))
def test_alone(energy, work, i):
    with energy.measure():
        work(i + 1)

@pytest.mark.parametrize("i", range(4))
def test_unmetered(i):
    pass
"""
)

XDIST = ("-p", "xdist.plugin")


def run(suite: pytest.Pytester, *args: str) -> dict[str, Any]:
    """The run file without what differs from run to run: times."""
    suite.runpytest("--energy-json=run.json", *args)
    run = json.loads(Path("run.json").read_text())
    del run["created"]
    for case in run["cases"]:
        for entry in [*case["windows"], *case["rounds"]]:
            del entry["started"]
    return run


def test_the_run_file_is_that_of_one_process(suite: pytest.Pytester) -> None:
    suite.makepyfile(SUITE)
    alone = run(suite)
    assert len(alone["cases"]) == 16
    assert sum(case["outcome"] == "failed" for case in alone["cases"]) == 4
    for dist in ("load", "loadgroup"):
        assert run(suite, *XDIST, "-n2", f"--dist={dist}") == alone, dist


def test_a_baseline_brought_back_runs_once_a_round_in_the_whole_session(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(SUITE)
    options = ("-k", "pruned", "--energy-rounds=3")
    found = run(suite, *XDIST, "-n2", *options)
    assert [(case["name"], case["implicit"], len(case["rounds"])) for case in found["cases"]] == [
        (f"test_it[{group}-{method}]", method == "plain", 3)
        for group in "ABCD"
        for method in ("plain", "pruned")
    ]
    assert found == run(suite, *options)


def test_a_crash_takes_the_case_in_flight_and_no_other(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        SUITE.replace(
            "    with energy.measure():\n        work(SECONDS[method])",
            "    if (group, method) == ('B', 'pruned'):\n        import os\n        os._exit(3)\n"
            "    with energy.measure():\n        work(SECONDS[method])",
        )
    )
    result = suite.runpytest(*XDIST, "-n2", "-k", "plain or pruned", "--energy-json=run.json")
    result.assert_outcomes(passed=7, failed=1)
    cases = {case["name"]: case for case in json.loads(Path("run.json").read_text())["cases"]}
    assert len(cases) == 8
    lost = cases.pop("test_it[B-pruned]")
    assert (lost["outcome"], lost["total_j"], lost["result"]["reason"]) == (
        "error",
        None,
        "not measured",
    )
    assert "crashed" in lost["errors"][0]
    assert {case["outcome"] for case in cases.values()} == {"passed"}


def test_a_round_that_crashed_is_not_made_good_by_a_later_one(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import os

        def test_it(energy, work):
            with energy.measure():
                work(1.0)
            if energy.round == 0:
                os._exit(3)
        """
    )
    options = ("--energy-rounds=3", "--energy-json=run.json", "--energy-save=main")
    assert suite.runpytest(*XDIST, "-n1", *options).ret == 1
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert (case["outcome"], case["result"]["kind"]) == ("error", "fail")
    assert "crashed" in case["errors"][0]
    assert not Path(".energy").exists()


FAILS_ONCE = """
import os, pathlib, pytest

@pytest.mark.energy_group("net")
@pytest.mark.parametrize("name", ["a", pytest.param("b", marks=pytest.mark.energy_baseline)])
def test_it(energy, work, name):
    energy(work, 1.0)
    if name == "a":
        fails = not os.path.exists("failed")
        pathlib.Path("failed").touch()
        assert not fails
    elif {crashes} and energy.round == 1:
        os._exit(3)
"""


@pytest.mark.parametrize(
    ("options", "crashes"),
    [(("-n1", "--energy-rounds=3"), True), (("--dist=each", "--tx=2*popen"), False)],
    ids=["after a crash", "each"],
)
def test_a_failure_on_one_worker_is_not_made_good_on_another(
    suite: pytest.Pytester, options: tuple[str, ...], crashes: bool
) -> None:
    suite.makepyfile(FAILS_ONCE.format(crashes=crashes))
    result = suite.runpytest(*XDIST, *options, "--energy-json=run.json", "--energy-save=main")
    assert result.ret != 0
    cases = json.loads(Path("run.json").read_text())["cases"]
    failed = {case["name"]: case["outcome"] for case in cases}
    assert failed["test_it[a]"] == "failed"
    stored = Path(".energy/main.json")
    names = (
        [each["name"] for each in json.loads(stored.read_text())["cases"]] if not crashes else []
    )
    assert "test_it[a]" not in names


def test_a_group_goes_on_with_its_baseline_after_a_crash(suite: pytest.Pytester) -> None:
    """The worker that takes over learns the baseline's figures instead of running it again."""
    suite.makepyfile(
        """
        import os, pytest

        METHODS = [pytest.param("plain", marks=pytest.mark.energy_baseline), "crash", "pruned"]

        @pytest.mark.parametrize("method", METHODS)
        @pytest.mark.energy_group("net")
        def test_it(energy, work, method):
            if method == "crash":
                os._exit(3)
            with energy.measure():
                work(10.0 if method == "plain" else 5.0)
            energy.assert_below_baseline()
        """
    )
    result = suite.runpytest(*XDIST, "-n1", "--energy-json=run.json")
    result.assert_outcomes(passed=2, failed=1)
    cases = json.loads(Path("run.json").read_text())["cases"]
    assert [case["outcome"] for case in cases] == ["passed", "error", "passed"]
    assert cases[2]["result"]["kind"] == "pass"


def test_a_suite_without_energy_is_dealt_as_ever(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('i', range(9))\ndef test(i): pass")
    pytester.runpytest(*XDIST, "-n2").assert_outcomes(passed=9)


def test_node_ids_lead_back_from_their_scope(pytester: pytest.Pytester) -> None:
    items, _ = pytester.inline_genitems(
        pytester.makepyfile(
            """
            import pytest

            @pytest.mark.energy_group("g@x]")
            def test_a(energy): pass

            @pytest.mark.energy_group("g@x]")
            def test_b(energy): pass

            def test_c(energy): pass
            def test_d(): pass
            """
        )
    )
    a, b, c, d = items
    found = scopes([a, b, a, c, d])
    assert len(set(found)) == 5
    assert [scoped.rpartition("@")[2] for scoped in found[:4]] == [
        "energy-0",
        "energy-0",
        "energy-0",
        "energy-1",
    ]
    assert [unscoped(scoped) for scoped in found] == [a.nodeid, b.nodeid, a.nodeid, c.nodeid, None]


@pytest.mark.parametrize(
    ("worker", "own"), [("gw0", "GPU-a"), ("gw1", "GPU-b"), ("gw2", "GPU-a"), ("alice", "GPU-b")]
)
def test_each_worker_sees_one_gpu_of_several(
    monkeypatch: pytest.MonkeyPatch, worker: str, own: str
) -> None:
    found = SimpleNamespace(gpus=[SimpleNamespace(uuid="GPU-a"), SimpleNamespace(uuid="GPU-b")])
    monkeypatch.setattr(nvml, "driver_is_loaded", lambda: True)
    monkeypatch.setattr(nvml, "find_gpus", lambda: found)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    take_one_gpu(worker)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == own
